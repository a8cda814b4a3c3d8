"""The service that imports assets, tracks their lifecycle contracts and keeps their registers of holders."""
