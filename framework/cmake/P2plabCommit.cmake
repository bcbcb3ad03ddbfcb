# SPDX-License-Identifier: Apache-2.0
# Writes a source file that says which commit is built: cmake -DSOURCE=... -DOUT=... -P P2plabCommit.cmake. Without git, or outside a repository, it
# takes what `git archive` wrote into .git_archival; without that there is no commit to name.
set(commit "")
find_program(git git)
if(git AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --short=9 HEAD OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT commit AND EXISTS ${SOURCE}/.git_archival)
  file(STRINGS ${SOURCE}/.git_archival archived REGEX "^[0-9a-f]+$")
  string(SUBSTRING "${archived}" 0 9 commit)
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[
// Made by framework/cmake/P2plabCommit.cmake.
#include "cli/commit.h"

namespace p2plab::cli {

std::string_view commit() { return "@commit@"; }

}  // namespace p2plab::cli
]])
# Written only where it changed; touched, so that it is not looked at again before HEAD moves.
file(TOUCH ${OUT})
