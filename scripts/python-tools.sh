# Installs pinned tools from PyPI into target/venv. Sourced by other scripts.
# shellcheck shell=bash disable=SC2034
# The newest aws-cdk-lib of PyPI, which lags behind that of npm in stack/package.json.
aws_cdk_lib_version=2.275.0
aws_sam_translator_version=1.115.0
awscli_version=1.46.3
boto3_version=1.44.8
cfn_lint_version=1.58.0
constructs_version=10.8.1
freezegun_version=1.5.5
jsii_version=1.142.0
ministack_version=1.5.33
pytest_version=9.2.0
setuptools_version=75.3.4

# python_tools NAME==VERSION...   installs them unless all are installed. Those of a call share their dependencies, so
# that pip has to know all of them.
python_tools() {
    local tool missing=no
    for tool in "$@"; do
        target/venv/bin/pip show "${tool%%==*}" 2>/dev/null | grep -qx "Version: ${tool##*==}" || missing=yes
    done
    [ "$missing" = no ] && return
    [ -x target/venv/bin/pip ] || python3 -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check "$@"
}

# python_wheels NAME==VERSION...   downloads them and the packages that they need into target/wheels, unless all are there.
python_wheels() {
    local wheel name missing=no
    for wheel in "$@"; do
        name=${wheel%%==*}
        compgen -G "target/wheels/${name//-/_}-${wheel##*==}-*" >/dev/null || missing=yes
    done
    [ "$missing" = no ] && return
    rm -rf target/wheels
    [ -x target/venv/bin/pip ] || python3 -m venv target/venv
    target/venv/bin/pip download --quiet --disable-pip-version-check --only-binary :all: --dest target/wheels "$@"
}
