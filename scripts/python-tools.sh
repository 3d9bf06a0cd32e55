# Installs pinned tools from PyPI into target/venv. Sourced by other scripts.
# shellcheck shell=bash disable=SC2034
awscli_version=1.46.3
boto3_version=1.44.8
cfn_lint_version=1.58.0
freezegun_version=1.5.5
ministack_version=1.5.33
pytest_version=9.2.0

# python_tools NAME==VERSION...   installs those that are missing.
python_tools() {
    local tool missing=()
    for tool in "$@"; do
        target/venv/bin/pip show "${tool%%==*}" 2>/dev/null | grep -qx "Version: ${tool##*==}" || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] && return
    [ -x target/venv/bin/pip ] || python3 -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check "${missing[@]}"
}
