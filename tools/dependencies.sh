#!/usr/bin/env bash
# Installs what the build (and with "test" the tests) need and the machine lacks.
#
#   tools/dependencies.sh build   Debian packages with the C libraries
#   tools/dependencies.sh test    also what the interop tests drive: S3 clients, Verilator, a browser,
#                                 BIRD and FRR, Python packages in .venv and .venv-scalesim
#
# Does nothing, in milliseconds, when everything is there. Needs root or sudo without a password
# only when something is missing; otherwise it says what to install and stops.
set -euo pipefail
cd "$(dirname "$0")/.."

libraries=(libisal-dev libsqlite3-dev liburing-dev zlib1g-dev pkg-config)
clients=(s3cmd rclone verilator chromium)
# What the fabric's lab is built with, and the routing daemons that it is compared to.
lab=(iproute2 nftables bird2 frr)
python_packages=('boto3>=1.36' 'awscrt>=0.23' 'awscli>=1.37' 'numpy>=2' 'ml_dtypes>=0.5' 'perfetto>=0.16'
    'openai>=2' 'tokenizers>=0.20' 'gguf>=0.10' 'jinja2>=3.1' 'jsonschema>=4')
# SCALE-Sim 3 does not run with newer NumPy and pandas, so it has an environment of its own.
scalesim_packages=('scalesim==3.0.0' 'numpy<2' 'pandas<3')

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_debian() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local become=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "Missing Debian packages. Please install them and try again:" >&2
            echo "    sudo apt-get install ${missing[*]}" >&2
            exit 1
        fi
        become=(sudo -n)
    fi
    echo "Installing ${missing[*]}"
    local get=("${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get
        -q -y -o DPkg::Lock::Timeout=120)
    # The package lists of a fresh machine may be empty or old: fetch them only when needed.
    "${get[@]}" install --no-install-recommends "${missing[@]}" </dev/null ||
        { "${get[@]}" update && "${get[@]}" install --no-install-recommends "${missing[@]}"; } \
            </dev/null
}

has_python_clients() {
    local modules='awscli, awscrt, boto3, gguf, jinja2, jsonschema, ml_dtypes, numpy, openai'
    [ -x "$1" ] && "$1" -c "import $modules, perfetto, tokenizers" 2>/dev/null
}

# The tests use .venv/bin/python when there is one, else python3.
install_python() {
    if has_python_clients .venv/bin/python; then return; fi
    if [ ! -e .venv ] && has_python_clients "$(command -v python3 || true)" &&
        command -v aws >/dev/null; then
        return
    fi
    echo "Installing ${python_packages[*]} into .venv"
    if ! python3 -m venv .venv 2>/dev/null; then
        install_debian python3 python3-venv
        /usr/bin/python3 -m venv --clear .venv
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "${python_packages[@]}"
}

install_scalesim() {
    if .venv-scalesim/bin/python -c 'import scalesim' 2>/dev/null; then return; fi
    echo "Installing ${scalesim_packages[*]} into .venv-scalesim"
    python3 -m venv --clear .venv-scalesim &&
        .venv-scalesim/bin/python -m pip install --quiet --disable-pip-version-check \
            "${scalesim_packages[@]}"
}

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system: please see that these are installed: ${libraries[*]}" >&2
    exit 0
fi
install_debian "${libraries[@]}"
if [ "${1:-build}" = test ]; then
    # A client that cannot be had skips its tests, loudly; it does not stop the others.
    install_debian "${clients[@]}" || echo "Going on without all of: ${clients[*]}" >&2
    install_debian "${lab[@]}" || echo "Going on without all of: ${lab[*]}" >&2
    install_python || echo "Going on without the Python clients" >&2
    install_scalesim || echo "Going on without SCALE-Sim" >&2
fi
