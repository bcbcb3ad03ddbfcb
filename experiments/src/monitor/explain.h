// SPDX-License-Identifier: Apache-2.0
// Why calls do not end, or come late: what is most likely, the evidence, and what to do.
#pragma once

#include <string>
#include <vector>

#include "monitor/rank_log.h"

namespace p2plab::monitor {

enum class Cause {
  link_lost,  // or a GPU
  rank_died,
  rank_stopped,
  different_collectives,
  order_differs,         // the same calls in another order
  order_across_streams,  // of several communicators
  sizes_differ,
  rank_is_late,     // now: the others wait for it
  launch_blocked,   // the host stands in a call that only puts work on a stream
  reported_error,   // a deadline's error, a link that is down: as it was said
  nobody_finishes,  // all ranks are in the same call
  straggler,        // calls end, but one rank comes last again and again
  links_are_fewer
};
std::string_view to_string(Cause cause);

struct Verdict {
  Cause cause = Cause::nobody_finishes;
  std::string communicator = {};
  int rank = -1;  // the one to look at; -1: none
  std::string what = {};
  std::vector<std::string> evidence = {};
  std::string advice = {};
};

struct ExplainOptions {
  Seconds stuck{1};          // a call that lasts longer, with nothing else happening, does not end
  Seconds straggles{0.002};  // a rank that begins so much later than the one before it is late
  std::size_t often = 3;     // so many times, and once in fifty calls, is again and again
  Seconds recent{0};         // of calls that began so long ago at most; 0: of all that are known
};

/// Most likely first. Empty: nothing is wrong as far as is recorded.
std::vector<Verdict> explain(const Logs& logs, const ExplainOptions& options = {});

std::string explanation_text(const Logs& logs, const std::vector<Verdict>& verdicts);
std::string explanation_json(const Logs& logs, const std::vector<Verdict>& verdicts);

}  // namespace p2plab::monitor
