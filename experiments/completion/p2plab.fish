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

# What a value may be, by the option before it; presets stand beside files.
function __p2plab_names
    p2plab list $argv 2>/dev/null | awk '/^[a-z]/ {print $1}'
end
function __p2plab_values
    switch (commandline -opc)[-1]
        case --topology
            __p2plab_names presets
            __fish_complete_path (commandline -ct)
        case --algorithm
            __p2plab_names algorithms
        case --executor
            __p2plab_names executors
        case --format
            __p2plab_names exporters
        case --collective
            printf '%s\n' all_reduce reduce_scatter all_gather broadcast reduce gather scatter all_to_all send_receive
        case '*'
            return 1
    end
end

complete -c p2plab -n '__p2plab_values >/dev/null' -f -a '(__p2plab_values)'
complete -c p2plab -n 'not __p2plab_values >/dev/null' -a '(__p2plab_words)'
