// SPDX-License-Identifier: Apache-2.0
// What nearly every source includes, compiled once (p2plab_common_headers). A source still names what it uses: ./dev check builds without this.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "p2plab/base/quantity.h"
#include "p2plab/base/result.h"
#include "p2plab/base/units.h"
#include "p2plab/machine/topology.h"
