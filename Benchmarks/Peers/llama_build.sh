# Sourced by serving.sh and parity.sh, in the checkout: sees that the peer, Kapok and the model are
# there. PyPI's llama-cpp-python is built from source for this processor into .venv-llama: ten
# minutes on two cores, once.
if ! .venv-llama/bin/python -c 'import llama_cpp' 2>/dev/null; then
    python3 -m venv --clear .venv-llama
    .venv-llama/bin/python -m pip install --quiet --disable-pip-version-check \
        cmake ninja scikit-build-core numpy diskcache jinja2 typing_extensions
    PATH="$PWD/.venv-llama/bin:$PATH" CMAKE_ARGS='-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF' \
        .venv-llama/bin/python -m pip install --disable-pip-version-check --no-deps \
        --no-build-isolation --no-binary llama-cpp-python 'llama-cpp-python==0.3.36'
fi
[ -x .build/release/kapok ] || make build
make model
