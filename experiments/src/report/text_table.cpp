// SPDX-License-Identifier: Apache-2.0
#include "report/text_table.h"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>

namespace p2plab {

namespace {

constexpr std::size_t gutter = 2;
constexpr std::size_t least_shortened = 16;  // a name with less of it names nothing

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t from = 0;;) {
    const auto end = text.find('\n', from);
    lines.push_back(text.substr(from, end - from));
    if (end == std::string_view::npos) return lines;
    from = end + 1;
  }
}

std::size_t total(const std::vector<std::size_t>& widths) {
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + gutter * (widths.empty() ? 0 : widths.size() - 1);
}

// The start and the end of a cell that is too long.
std::string shortened(const std::string& cell, std::size_t most) {
  if (cell.size() <= most) return cell;
  constexpr std::string_view mark = "...";
  const auto kept = most - mark.size();
  const auto start = kept - kept / 2;
  return fmt::format("{}{}{}", cell.substr(0, start), mark, cell.substr(cell.size() - kept / 2));
}

std::string styled(const std::string& line, TextTable::Style look, bool colour) {
  if (!colour || look == TextTable::Style::plain) return line + "\n";
  return fmt::format("\x1b[{}m{}\x1b[0m\n", look == TextTable::Style::strong ? "1" : "31", line);
}

}  // namespace

void TextTable::add(std::vector<std::string> cells, Style style) {
  cells.resize(columns_.size());
  rows_.push_back({std::move(cells), style});
}

std::size_t TextTable::width_of(std::size_t column) const {
  std::size_t width = 0;
  for (const auto line : lines_of(columns_[column].title)) width = std::max(width, line.size());
  for (const auto& row : rows_) width = std::max(width, row.cells.empty() ? 0 : row.cells[column].size());
  return width;
}

bool TextTable::says_nothing(std::size_t column) const {
  return std::ranges::all_of(rows_, [&](const Row& row) { return row.cells.empty() || row.cells[column].empty() || row.cells[column] == "-"; });
}

TextTable::Shape TextTable::shape(const TextLayout& layout) const {
  Shape shape;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!layout.wide && says_nothing(c)) continue;
    shape.columns.push_back(c);
    shape.widths.push_back(width_of(c));
  }
  if (layout.wide || layout.columns <= 0) return shape;
  const auto most = static_cast<std::size_t>(layout.columns);
  const auto leaves = [&](std::size_t c) { return columns_[c].leaves; };
  while (total(shape.widths) > most) {
    const auto first = std::ranges::max_element(shape.columns, {}, leaves);
    if (first == shape.columns.end() || leaves(*first) == 0) break;
    shape.widths.erase(shape.widths.begin() + (first - shape.columns.begin()));
    shape.columns.erase(first);
  }
  for (std::size_t i = 0; i < shape.columns.size() && total(shape.widths) > most; ++i) {
    if (!columns_[shape.columns[i]].shortens) continue;
    const auto over = total(shape.widths) - most;
    shape.widths[i] = std::max(std::min(shape.widths[i], least_shortened), shape.widths[i] > over ? shape.widths[i] - over : 0);
  }
  return shape;
}

std::string TextTable::line(const Shape& shape, const std::vector<std::string>& cells) const {
  std::string text;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    if (i > 0) text.append(gutter, ' ');
    const auto cell = shortened(cells[shape.columns[i]], shape.widths[i]);
    text +=
        columns_[shape.columns[i]].align == Align::left ? fmt::format("{:<{}}", cell, shape.widths[i]) : fmt::format("{:>{}}", cell, shape.widths[i]);
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string TextTable::text(const TextLayout& layout) const {
  const auto kept = shape(layout);
  std::size_t title_lines = 1;
  for (const auto c : kept.columns) title_lines = std::max(title_lines, lines_of(columns_[c].title).size());
  std::string text;
  for (std::size_t l = 0; l < title_lines; ++l) {
    std::vector<std::string> cells(columns_.size());
    for (const auto c : kept.columns) {
      const auto title = lines_of(columns_[c].title);  // short titles stand in the last line
      const auto above = title_lines - title.size();
      if (l >= above) cells[c] = title[l - above];
    }
    text += line(kept, cells) + "\n";
  }
  for (const auto& row : rows_) text += row.cells.empty() ? std::string("\n") : styled(line(kept, row.cells), row.style, layout.colour);
  return text;
}

bool TextTable::shows(std::string_view title, const TextLayout& layout) const {
  return std::ranges::any_of(shape(layout).columns, [&](std::size_t c) { return columns_[c].title == title; });
}

namespace {

// The next word, with the unit of a number that it ends in: "1 KiB", "12.5 %".
std::string_view next_word(std::string_view rest) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "us", "ns", "ms", "GB/s", "%"};
  auto end = std::min(rest.find(' '), rest.size());
  if (end == 0 || end == rest.size() || rest[end - 1] < '0' || rest[end - 1] > '9') return rest.substr(0, end);
  const auto after = rest.substr(end + 1);
  const auto next = after.substr(0, after.find_first_of(" ,.;:)"));
  if (std::ranges::find(units, next) == units.end()) return rest.substr(0, end);
  return rest.substr(0, std::min(rest.find(' ', end + 1), rest.size()));
}

}  // namespace

std::string folded(std::string_view sentence, const TextLayout& layout) {
  constexpr std::size_t indent = 4;
  const auto most = static_cast<std::size_t>(std::max(layout.columns, 0));
  std::string text = "  ";
  std::size_t used = text.size();
  bool fresh = true;
  while (!sentence.empty()) {
    const auto word = next_word(sentence);
    sentence.remove_prefix(std::min(word.size() + 1, sentence.size()));
    if (most > 0 && !layout.wide && !fresh && used + 1 + word.size() > most) {
      text += "\n" + std::string(indent, ' ');
      used = indent;
      fresh = true;
    }
    if (!fresh) text += ' ';
    used += word.size() + (fresh ? 0 : 1);
    text += word;
    fresh = false;
  }
  return text + "\n";
}

}  // namespace p2plab
