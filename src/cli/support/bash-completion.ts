/**
 * The completion script for bash. The library's own can be sourced only once, needs the package
 * bash-completion, and evaluates what is typed.
 */
export const BASH_COMPLETION = `# bash completion for tidemark
__tidemark_complete() {
    # Cut at blanks alone: bash's own words end at each ":" and "=" of a URL.
    local line="\${COMP_LINE:0:COMP_POINT}" cur value rest
    local -a words=()
    read -r -a words <<< "$line"
    [[ "$line" == *[[:blank:]] ]] && words+=("")
    cur="\${words[\${#words[@]}-1]}"
    COMPREPLY=()
    while IFS=$'\\t' read -r value rest; do
        # The last line is a number for other shells.
        [[ -n "$value" && "$value" != :* && "$value" == "$cur"* ]] && COMPREPLY+=("$value")
    done < <(tidemark complete -- "\${words[@]:1}" 2>/dev/null)
    return 0
}
# Where nothing fits, files.
complete -o default -F __tidemark_complete tidemark
`;
