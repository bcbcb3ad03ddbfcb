# SPDX-License-Identifier: Apache-2.0
# fish completion for p2plab: commands and options as the program's own --help lists them.

function __p2plab_words
    set -l before (commandline -opc)
    set -l words
    for word in $before[2..-1]
        string match -qr '^[a-z][a-z-]*$' -- $word; or break
        set -a words $word
    end
    p2plab $words --help 2>/dev/null | sed -E ':a; s/^(  [^ ]+), /\1,/; ta' | awk '
        /^Subcommands:/ { commands = 1; next }
        /^[^ ]/ { commands = 0 }
        (commands && /^  [a-z]/) || /^  -/ { text = $0; sub(/^  [^ ]+ */, "", text); n = split($1, all, ","); for (i = 1; i <= n; ++i) print all[i] "\t" text }'
end

function __p2plab_after
    test (commandline -opc)[-1] = $argv[1]
end

complete -c p2plab -a '(__p2plab_words)'
complete -c p2plab -n '__p2plab_after --topology' -a '(p2plab list presets 2>/dev/null | awk "/^[a-z]/ {print \$1}")'
complete -c p2plab -n '__p2plab_after --algorithm' -a '(p2plab list algorithms 2>/dev/null | awk "/^[a-z]/ {print \$1}")'
complete -c p2plab -n '__p2plab_after --executor' -a '(p2plab list executors 2>/dev/null | awk "/^[a-z]/ {print \$1}")'
