"""What every gRPC server of ours needs: errors, callers, pages, names."""
