// SPDX-License-Identifier: Apache-2.0
#include "shim/counters.h"

#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "shim/real_library.h"
#include "shim/settings.h"

namespace p2plab::shim {

std::string Counters::text() const {
  const auto forwarded =
      of(Outcome::not_ready) + of(Outcome::left_to_nccl) + of(Outcome::no_communicator) + of(Outcome::type_or_operation) + of(Outcome::other_call);
  auto text = "served " + std::to_string(of(Outcome::served)) + ", passed on " + std::to_string(forwarded);
  text +=
      " (no program ready " + std::to_string(of(Outcome::not_ready)) + ", no communicator of ours " + std::to_string(of(Outcome::no_communicator));
  text += ", type or operation " + std::to_string(of(Outcome::type_or_operation)) + ", other calls " + std::to_string(of(Outcome::other_call));
  if (of(Outcome::left_to_nccl) > 0) text += ", left to NCCL " + std::to_string(of(Outcome::left_to_nccl));
  text += ")";
  return text;
}

namespace {

class Reported : public Counters {
 public:
  ~Reported() {
    const char* where = setting("P2PLAB_REPORT");
    if (where == nullptr || *where == '\0') return;
    const auto line = "p2plab-nccl, process " + std::to_string(getpid()) + ": " + text() + "\n";
    auto* const file = std::strcmp(where, "1") == 0 ? stderr : std::fopen(where, "a");
    if (file == nullptr) say(std::string{"cannot write P2PLAB_REPORT "} + where);
    std::fputs(line.c_str(), file == nullptr ? stderr : file);
    if (file != nullptr && file != stderr) std::fclose(file);
  }
};

}  // namespace

Counters& counters() {
  static Reported all;
  return all;
}

}  // namespace p2plab::shim
