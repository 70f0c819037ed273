"""What setup.cfg cannot say: the configs lie beside the package, and an installation finds them in it."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["gartk", "gartk.*"]), "gartk.configs"],
    package_dir={"gartk.configs": "configs"},
)
