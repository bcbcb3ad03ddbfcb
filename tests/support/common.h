// SPDX-License-Identifier: Apache-2.0
// What most tests include, compiled once (CMake's precompiled headers). Sources still include what they use.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "p2plab/machine/presets.h"
#include "p2plab/machine/topology.h"
