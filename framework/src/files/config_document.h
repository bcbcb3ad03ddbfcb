// SPDX-License-Identifier: Apache-2.0
// A YAML document as our own plain tree: what the reader of values sees of yaml-cpp's work.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "p2plab/detail/config_value.h"

namespace p2plab {

enum class ConfigKind { nothing, plain, quoted, list, map };

/// A byte of the text; both count from 0, `column` in bytes.
struct ConfigMark {
  std::int32_t line = 0;
  std::int32_t column = 0;
};

struct ConfigKey {
  std::string name;
  ConfigMark mark;
};

/// One value. Children of a map stand in the order of its keys; an alias is a second parent of its anchor's node.
struct ConfigNode {
  ConfigKind kind = ConfigKind::nothing;
  ConfigMark mark;
  std::string text = {};
  std::vector<ConfigKey> keys = {};
  std::vector<std::int32_t> children = {};
  std::int64_t values = 1;  // this one and all within, aliases counted as often as they occur
};

/// The tree, the text it came from, and the mistakes that its readers have found.
struct ConfigDocument {
  std::string file;
  std::string text;  // line ends are '\n', no byte order mark
  std::vector<std::size_t> line_starts;
  std::vector<ConfigNode> nodes;
  std::int32_t root = -1;
  std::vector<Error> mistakes;
  std::size_t unreported = 0;  // mistakes beyond the number that is kept

  /// The place of a mark, with the text of its line.
  SourceLocation locate(ConfigMark mark) const;
  /// Keeps a mistake, once.
  void add(Error mistake);
  /// Are so many mistakes kept that further ones are only counted? Then a hostile file must not cost the work of explaining each.
  bool full() const;
};

}  // namespace p2plab
