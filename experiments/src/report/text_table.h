// SPDX-License-Identifier: Apache-2.0
// Columns of text with a header, for reports on a terminal.
#pragma once

#include <string>
#include <vector>

namespace p2plab {

/// Cells by row; columns are as wide as their widest cell.
class TextTable {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Adds a row; cells that are missing are empty.
  void add(std::vector<std::string> cells);
  /// Adds an empty line.
  void gap() { rows_.emplace_back(); }
  /// Header, rows, no trailing blanks; each line ends with a newline.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace p2plab
