# SPDX-License-Identifier: BSD-3-Clause
# The command itself knows its words; this asks it.
_onvm_completion() {
    local IFS=$'\n'
    # shellcheck disable=SC2207 # one word a line, as IFS says
    COMPREPLY=($(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD _ONVM_COMPLETE=complete_bash "$1"))
}
complete -o default -F _onvm_completion onvm
