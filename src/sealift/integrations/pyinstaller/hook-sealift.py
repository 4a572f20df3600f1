"""What PyInstaller cannot find in the code: modules that are imported by name, and the version for `--version`."""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

# Backends and operations are imported when they are first used. The demo would bring scikit-learn along.
hiddenimports = collect_submodules("sealift", filter=lambda name: not name.startswith("sealift.demo"))
# A program that reads tensors imports these itself. Otherwise each program would contain those that are installed.
excludedimports = ["ml_dtypes", "numpy", "torch", "vllm"]
datas = copy_metadata("sealift")
