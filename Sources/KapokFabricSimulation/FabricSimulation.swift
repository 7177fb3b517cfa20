public import KapokFabric
