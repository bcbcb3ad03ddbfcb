# SPDX-License-Identifier: Apache-2.0
# bash completion for p2plab: commands and options as the program's own --help lists them, names as `p2plab list` does.

_p2plab_words() { # _p2plab_words PROGRAM WORD...: commands and options after these words
  "$@" --help 2>/dev/null | sed -E ':a; s/^(  [^ ]+), /\1,/; ta' | awk '
    /^Subcommands:/ { commands = 1; next }
    /^[^ ]/ { commands = 0 }
    (commands && /^  [a-z]/) || /^  -/ { n = split($1, names, ","); for (i = 1; i <= n; ++i) print names[i] }'
}

_p2plab() {
  local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} word words=()
  COMPREPLY=()
  case $before in
    --topology) mapfile -t COMPREPLY < <(compgen -W "$("$program" list presets 2>/dev/null | awk '/^[a-z]/ {print $1}')" -- "$current"; compgen -f -- "$current"); return ;;
    --algorithm) mapfile -t COMPREPLY < <(compgen -W "$("$program" list algorithms 2>/dev/null | awk '/^[a-z]/ {print $1}')" -- "$current"); return ;;
    --executor) mapfile -t COMPREPLY < <(compgen -W "$("$program" list executors 2>/dev/null | awk '/^[a-z]/ {print $1}')" -- "$current"); return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "$("$program" list exporters 2>/dev/null | awk '/^[a-z]/ {print $1}')" -- "$current"); return ;;
    --collective) mapfile -t COMPREPLY < <(compgen -W "all_reduce reduce_scatter all_gather broadcast reduce gather scatter all_to_all send_receive" -- "$current"); return ;;
  esac
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word =~ ^[a-z][a-z-]*$ ]] || break
    words+=("$word")
  done
  mapfile -t COMPREPLY < <(compgen -W "$(_p2plab_words "$program" "${words[@]}")" -- "$current"; [[ $current == -* ]] || compgen -f -- "$current")
}

complete -o filenames -F _p2plab p2plab
