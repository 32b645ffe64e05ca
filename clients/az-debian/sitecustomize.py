"""Lets Debian bookworm's azure-cli 2.45.0-1 run `az network`, `az role` and `az appservice ase create`.

Debian ships azure.mgmt.network without v2022_01_01 and azure.mgmt.compute without v2022_11_01,
drops the per-version .operations packages, and its api_version_validation decorator lacks
functools.wraps, and its azure.mgmt.authorization hides the configuration that az reads. `ase az` puts this folder into PYTHONPATH where it finds that package; any other
azure-cli is left alone. Nothing of it is installed or changed.
"""
import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys

NETWORK = "2022-07-01"
COMPUTE = "2022-08-01"
SHARED = "azure.cli.core.profiles._shared"
VALIDATION = "azure.mgmt.network._validation"
ROLES = "azure.cli.command_modules.role._client_factory"
OPERATIONS = "azure.mgmt.network.v2022_07_01.operations"


class Hook(importlib.abc.MetaPathFinder):
    busy = set()

    def find_spec(self, name, path=None, target=None):
        if name == OPERATIONS:
            return importlib.machinery.ModuleSpec(name, Alias("azure.mgmt.network.operations"))
        change = CHANGES.get(name)
        if change is None or name in self.busy:
            return None
        self.busy.add(name)
        spec = importlib.util.find_spec(name)
        original = spec.loader.exec_module

        def exec_module(module):
            original(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


class Alias(importlib.abc.Loader):
    def __init__(self, real):
        self.real = real

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        real = importlib.import_module(self.real).__dict__
        module.__dict__.update({k: v for k, v in real.items() if not k.startswith("__")})


def pin(module):
    latest = module.AZURE_API_PROFILES["latest"]
    latest[module.ResourceType.MGMT_NETWORK] = NETWORK
    profile = latest[module.ResourceType.MGMT_COMPUTE].profile
    profile.update({k: COMPUTE for k, v in profile.items() if v == "2022-11-01"})


def wrap(module):
    call = module.api_version_validation.__call__
    module.api_version_validation.__call__ = lambda self, function: functools.wraps(function)(
        call(self, function)
    )


def configure(module):
    make = module._auth_client_factory

    def factory(*words, **named):
        client = make(*words, **named)
        for operations in (client.role_assignments, client.role_definitions):
            if not hasattr(operations, "config"):
                type(operations).config = property(lambda self: self._config)
        return client

    module._auth_client_factory = factory


CHANGES = {SHARED: pin, VALIDATION: wrap, ROLES: configure}
sys.meta_path.insert(0, Hook())
