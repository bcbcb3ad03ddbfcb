// What a rank can read and write on a machine.
#pragma once

#include <optional>
#include <string>

#include "p2plab/routes.h"
#include "p2plab/schedule.h"

namespace p2plab {

/// Asks whether data can move between an executor and a location: from it if read, to it if written.
class Reach {
 public:
  /// The explicit routes are those of `schedule`.
  Reach(const Topology& topology, const Routes& routes, const Schedule& schedule) : topology_(topology), routes_(routes), schedule_(schedule) {}

  /// What is missing for it; none if nothing is.
  std::optional<std::string> missing(Rank executor, const Location& location, RouteId route, bool reads) const;

 private:
  std::optional<std::string> missing_on(Rank executor, const Location& location, RouteId route, bool reads) const;

  const Topology& topology_;
  const Routes& routes_;
  const Schedule& schedule_;
};

}  // namespace p2plab
