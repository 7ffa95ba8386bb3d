"""The servers that are measured: ours as the product starts it, Orthanc as its manual tunes it."""
