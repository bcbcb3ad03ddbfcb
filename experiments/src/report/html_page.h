// SPDX-License-Identifier: Apache-2.0
// One HTML file that loads nothing: what is read without a script, then the data, the charting library and the scripts that draw it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "p2plab/report/report.h"

namespace p2plab {

/// Text made safe inside HTML and attribute values.
std::string escape_html(const std::string& text);

/// What stands on the page.
struct HtmlPage {
  std::string title;
  std::string about = {};                  // one line, below the title
  std::vector<std::string> findings = {};  // the first is the verdict
  std::vector<std::string> skipped = {};
  std::vector<std::pair<std::string, std::string>> provenance = {};  // name and value; those without a value are left out
  std::string data;                                                  // JSON, for the scripts
};

std::string html_of(const HtmlPage& page);

/// Provenance as a page shows it.
std::vector<std::pair<std::string, std::string>> provenance_lines(const Provenance& from);

}  // namespace p2plab
