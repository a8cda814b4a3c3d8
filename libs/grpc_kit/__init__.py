"""What every gRPC server of ours needs: assembly, errors, caller, pages, names."""
