// SPDX-License-Identifier: Apache-2.0
#include "report/html_page.h"

#include <fmt/format.h>

#include "report/page_assets.h"

namespace p2plab {

namespace {

// Nothing is fetched, from nowhere.
constexpr const char* policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:";

// Sentences of a list that stand open; a sweep has hundreds.
constexpr std::size_t most_unfolded = 12;

std::string list_html(const std::string& title, const std::vector<std::string>& items, std::size_t first) {
  if (items.size() <= first) return {};
  auto html = fmt::format("<h2>{}</h2>\n<ul class=found>\n", title);
  const auto folded = first + most_unfolded;
  for (std::size_t i = first; i < items.size(); ++i) {
    if (i == folded) html += fmt::format("</ul>\n<details><summary>{} more</summary>\n<ul class=found>\n", items.size() - folded);
    html += fmt::format("<li>{}</li>\n", escape_html(items[i]));
  }
  return html + (items.size() > folded ? "</ul></details>\n" : "</ul>\n");
}

std::string provenance_html(const std::vector<std::pair<std::string, std::string>>& lines) {
  std::string html = "<footer><h2>Where the numbers come from</h2>\n<dl>\n";
  for (const auto& [name, value] : lines) {
    if (!value.empty()) html += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_html(name), escape_html(value));
  }
  return html + "</dl></footer>\n";
}

// JSON inside a script: no text of it may end the script.
std::string script_json(const std::string& json) {
  std::string safe;
  safe.reserve(json.size());
  for (const char c : json) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::vector<std::pair<std::string, std::string>> provenance_lines(const Provenance& from) {
  const auto gpus = from.gpus.empty() ? std::string{"none here: every time is a prediction"} : fmt::format("{}", fmt::join(from.gpus, ", "));
  std::string assumed;
  for (const auto& value : from.assumed) assumed += fmt::format("{}{} ({})", assumed.empty() ? "" : "; ", value.what, value.value);
  return {{"p2plab", from.version},
          {"command", from.command},
          {"config", from.config.empty() ? "" : fmt::format("{} ({})", from.config, from.config_digest)},
          {"machine planned for", from.topology},
          {"profile of costs", from.profile},
          {"forms of plans", from.forms},
          {"assumed of the machine", assumed},
          {"seed", std::to_string(from.seed)},
          {"GPUs", gpus},
          {"driver", from.driver},
          {"GPUs before", fmt::format("{}", fmt::join(from.before, "; "))},
          {"GPUs after", fmt::format("{}", fmt::join(from.after, "; "))},
          {"computer", from.cpu},
          {"date", from.date}};
}

std::string html_of(const HtmlPage& page) {
  const auto title = escape_html(page.title);
  auto html = fmt::format(
      "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=Content-Security-Policy content=\"{}\">\n<title>{}</title>\n<style>\n{}</style></head><body>\n<h1>{}</h1>\n",
      policy, title, page_assets::style, title);
  if (!page.about.empty()) html += fmt::format("<p class=about>{}</p>\n", escape_html(page.about));
  if (!page.findings.empty()) html += fmt::format("<p class=verdict>{}</p>\n", escape_html(page.findings.front()));
  html += "<section id=charts></section>\n" + list_html("Found", page.findings, 1);
  html += "<main id=main></main>\n<noscript><p>Charts and rows need JavaScript; report.csv has the rows.</p></noscript>\n";
  html += list_html("Not done", page.skipped, 0);
  html += provenance_html(page.provenance);
  html += "<script type=\"application/json\" id=data>" + script_json(page.data) + "</script>\n";
  html += fmt::format("<script>/*\n{}*/\n{}</script>\n", page_assets::d3_licence, page_assets::d3);
  html += fmt::format("<script>/*\n{}*/\n{}</script>\n", page_assets::plot_licence, page_assets::plot);
  html += fmt::format("<script>\n{}</script>\n</body></html>\n", page_assets::scripts);
  return html;
}

}  // namespace p2plab
