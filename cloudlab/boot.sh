#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: boot.sh controller|node
# What each node of an experiment runs when it boots. All let each other in by the experiment's
# own key; the controller then deploys the testbed to all of them, itself included.
set -euo pipefail
cd "$(dirname "$0")/.."

let_each_other_in() {
    install -d -m 700 /root/.ssh
    geni-get key >/root/.ssh/id_rsa
    chmod 600 /root/.ssh/id_rsa
    local public
    public=$(ssh-keygen -y -f /root/.ssh/id_rsa)
    grep -qxF "$public" /root/.ssh/authorized_keys 2>/dev/null ||
        echo "$public" >>/root/.ssh/authorized_keys
}

until_reachable() {
    local attempt
    for attempt in $(seq 60); do
        .venv/bin/ansible -i inventory/cloudlab nodes -m ansible.builtin.ping >/dev/null && return
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
.venv/bin/ansible-playbook -i inventory/cloudlab site.yml
