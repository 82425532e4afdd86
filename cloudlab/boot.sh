#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: boot.sh controller|node
# What each node of an experiment runs when it boots. All let each other in by the experiment's
# own key; the controller then deploys the testbed to all of them, itself included.
set -euo pipefail
cd "$(dirname "$0")/.."

key=/root/.ssh/onvm_cloudlab # beside whatever keys root has

let_each_other_in() {
    local public
    install -d -m 700 /root/.ssh
    (umask 077 && geni-get key >"$key")
    public=$(ssh-keygen -y -f "$key" | tee "$key.pub")
    touch /root/.ssh/authorized_keys
    grep -qxF "$public" /root/.ssh/authorized_keys || echo "$public" >>/root/.ssh/authorized_keys
}

# As root, whose key it is; the nodes are new, and so are their host keys.
deploy_with() {
    ANSIBLE_PRIVATE_KEY_FILE=$key ANSIBLE_SSH_COMMON_ARGS="-o StrictHostKeyChecking=accept-new" \
        "$@" -i inventory/cloudlab -e ansible_user=root
}

until_reachable() {
    local attempt
    for attempt in $(seq 60); do
        deploy_with .venv/bin/ansible nodes -m ansible.builtin.ping >/dev/null && return
        echo "Some nodes do not answer yet (attempt $attempt)"
        sleep 10
    done
    return 1
}

let_each_other_in
[ "$1" = controller ] || exit 0
. .ci/environment.sh
python_environment requirements.txt
geni-get manifest >inventory/cloudlab/manifest.xml
until_reachable
deploy_with .venv/bin/ansible-playbook site.yml
