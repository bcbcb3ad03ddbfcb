// SPDX-License-Identifier: Apache-2.0
// Columns of text with a header, for reports on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "p2plab/report/text_layout.h"

namespace p2plab {

/// Cells by row; columns are as wide as their widest cell. Unless the layout is wide, columns whose cells are all empty or "-" are left out; if the
/// rest is wider than the layout allows, columns that may leave do so one by one, and then cells that may be shortened lose their middle.
class TextTable {
 public:
  enum class Align { left, right };
  enum class Style { plain, strong, alarm };
  struct Column {
    std::string title;  // "\n" parts its lines
    Align align = Align::left;
    int leaves = 0;  // 0: never; of others the highest leaves first
    bool shortens = false;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Adds a row; cells that are missing are empty.
  void add(std::vector<std::string> cells, Style style = Style::plain);
  /// Adds an empty line.
  void gap() { rows_.emplace_back(); }
  /// Header, rows, no trailing blanks; each line ends with a newline.
  std::string text(const TextLayout& layout = {.wide = true}) const;
  /// Does the column with this title stay in the layout?
  bool shows(std::string_view title, const TextLayout& layout) const;

 private:
  struct Row {
    std::vector<std::string> cells = {};
    Style style = Style::plain;
  };
  // The columns that stay, and how wide each is.
  struct Shape {
    std::vector<std::size_t> columns = {};
    std::vector<std::size_t> widths = {};
  };
  Shape shape(const TextLayout& layout) const;
  std::size_t width_of(std::size_t column) const;
  bool says_nothing(std::size_t column) const;
  std::string line(const Shape& shape, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

/// A sentence after two blanks, folded at blanks into the layout's columns; the lines after the first are indented by four.
std::string folded(std::string_view sentence, const TextLayout& layout);

}  // namespace p2plab
