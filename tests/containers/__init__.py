"""The images as containers, on an emulator of AWS that has a data plane: `make infra-containers`."""
