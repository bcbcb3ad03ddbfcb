// SPDX-License-Identifier: Apache-2.0
// The strict reader finds every mistake of a file in one run and says where it is.
#include <gtest/gtest.h>

#include "p2plab/detail/config_value.h"
#include "p2plab/schedule/collective.h"

namespace p2plab::config_value_test {
namespace {

std::string parse_error(std::string_view text) {
  const auto file = ConfigFile::parse(text, "x.yaml");
  return file ? "accepted" : describe(file.error());
}

TEST(ConfigValue, ReadsEveryTypeOfValue) {
  const auto file = *ConfigFile::parse(
      "\xEF\xBB\xBFname: trial\r\ncount: 12\r\nratio: 1.5\r\ngraph: true\r\nsize: 64 MiB\r\nrate: 25 GB/s\r\ndelay: 500 ns\r\nkind: "
      "broadcast\r\nlist: [a, b]\r\n",
      "x.yaml");
  const auto root = file.root();
  EXPECT_TRUE(root.expect_keys({.required = {"name", "count", "ratio", "graph", "size", "rate", "delay", "kind", "list"}, .optional = {"none"}}));
  EXPECT_EQ(root["name"].string(), "trial");
  EXPECT_EQ(root["count"].integer({.least = 0, .most = 12}), 12);
  EXPECT_EQ(root["ratio"].number(), 1.5);
  EXPECT_TRUE(root["graph"].boolean());
  EXPECT_EQ(root["size"].size(), 64_MiB);
  EXPECT_EQ(root["rate"].bandwidth(), GBps(25));
  EXPECT_EQ(root["delay"].time(), Seconds{500e-9});
  EXPECT_EQ(root["kind"].as(collective_kind, CollectiveKind::all_reduce), CollectiveKind::broadcast);
  const auto list = root["list"].list(2, 2);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1].string(), "b");
  EXPECT_EQ(root["none"]["deeper"].integer({}, 7), 7);
  EXPECT_TRUE(file.status());
}

const char* const all_mistakes =
    "x.yaml:1:1: error: unknown key 'nmae'\n"
    "  nmae: trial\n"
    "  ^\n"
    "note: did you mean 'name'?\n"
    "note: known: name, count, ratio, graph, size, rate, kind, list, pair, \xC3\xA4\n"
    "x.yaml:1:1: error: key 'name' is missing\n"
    "  nmae: trial\n"
    "  ^\n"
    "x.yaml:2:8: error: expected a whole number from 0 to 100, got 'twelve'\n"
    "  count: twelve\n"
    "         ^\n"
    "x.yaml:3:8: error: expected a number from 0 to 1, got '9'\n"
    "  ratio: 9\n"
    "         ^\n"
    "x.yaml:4:8: error: expected true or false, got 'yes'\n"
    "  graph: yes\n"
    "         ^\n"
    "x.yaml:5:7: error: expected a size with a unit, got '64'\n"
    "  size: 64\n"
    "        ^\n"
    "note: write it as '64 MiB'; units are B, KiB, MiB, GiB, TiB\n"
    "x.yaml:6:7: error: expected a bandwidth with a unit, got a list\n"
    "  rate: [1]\n"
    "        ^\n"
    "x.yaml:7:7: error: unknown collective 'all_redcue'\n"
    "  kind: all_redcue\n"
    "        ^\n"
    "note: did you mean 'all_reduce'?\n"
    "note: known: all_reduce, reduce_scatter, all_gather, broadcast, reduce, gather, scatter, all_to_all, send_receive\n"
    "x.yaml:8:1: error: key 'count' is given twice\n"
    "  count: 3\n"
    "  ^\n"
    "note: first given in line 2\n"
    "x.yaml:9:7: error: expected a list, got a map\n"
    "  list: {a: b}\n"
    "        ^\n"
    "x.yaml:10:7: error: expected a list of 2 elements, got 3\n"
    "  pair: [1, 2, 3]\n"
    "        ^\n"
    "x.yaml:11:11: error: expected a size with a unit, got '\xC3\xA4'\n"
    "  \xC3\xA4: {size: \"\xC3\xA4\"}\n"
    "            ^\n"
    "note: write it as '64 MiB'; units are B, KiB, MiB, GiB, TiB\n";

TEST(ConfigValue, ReportsAllMistakesInOneRunInOrderOfPlace) {
  const auto file = *ConfigFile::parse(
      "nmae: trial\n"
      "count: twelve\n"
      "ratio: 9\n"
      "graph: yes\n"
      "size: 64\n"
      "rate: [1]\n"
      "kind: all_redcue\n"
      "count: 3\n"
      "list: {a: b}\n"
      "pair: [1, 2, 3]\n"
      "\xC3\xA4: {size: \"\xC3\xA4\"}\n",
      "x.yaml");
  const auto root = file.root();
  root.expect_keys({.required = {"name", "count"}, .optional = {"ratio", "graph", "size", "rate", "kind", "list", "pair", "\xC3\xA4"}});
  root["count"].integer({.least = 0, .most = 100});
  root["ratio"].number({.least = 0, .most = 1});
  root["graph"].boolean();
  root["size"].size();
  root["rate"].bandwidth();
  root["kind"].as(collective_kind, CollectiveKind::all_reduce);
  root["list"].list();
  root["pair"].list(2, 2);
  root["\xC3\xA4"]["size"].size();
  const auto status = file.status();
  ASSERT_FALSE(status);
  EXPECT_EQ(describe(status.error()), all_mistakes);
}

TEST(ConfigValue, TypesAreStrict) {
  const auto file = *ConfigFile::parse("a: \"5\"\nb:\nc: 99999999999999999999\nd: ''\ne: 0x10\nf: .nan\n", "x.yaml");
  const auto root = file.root();
  EXPECT_EQ(root["a"].integer({}, 3), 3);
  EXPECT_EQ(root["b"].string("fallback"), "fallback");
  root["c"].integer();
  root["d"].string();
  root["e"].integer({.least = 1});
  root["f"].number();
  EXPECT_EQ(describe(file.status().error()),
            "x.yaml:1:4: error: expected a whole number, got the text '5'\n  a: \"5\"\n     ^\n"
            "x.yaml:2:1: error: expected a text, got nothing\n  b:\n  ^\n"
            "x.yaml:3:4: error: expected a whole number of 64 bits, got '99999999999999999999'\n  c: 99999999999999999999\n     ^\n"
            "x.yaml:4:4: error: expected a text, got the text ''\n  d: ''\n     ^\n"
            "x.yaml:5:4: error: expected a whole number of at least 1, got '0x10'\n  e: 0x10\n     ^\n"
            "x.yaml:6:4: error: expected a number, got '.nan'\n  f: .nan\n     ^\n");
}

TEST(ConfigValue, AMistakeReadTwiceIsReportedOnce) {
  const auto file = *ConfigFile::parse("a: x\n", "x.yaml");
  file.root()["a"].integer();
  file.root()["a"].integer();
  EXPECT_TRUE(file.status().error().more.empty());
}

TEST(ConfigValue, ManyMistakesAreCountedNotListed) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const auto file = *ConfigFile::parse(text, "x.yaml");
  file.root().expect_keys({.required = {}, .optional = {"other"}});
  const auto status = file.status();
  ASSERT_EQ(status.error().more.size(), 50U);
  EXPECT_EQ(status.error().more.back().message, "10 further mistakes are not shown");
}

TEST(ConfigValue, AliasesStandForTheirAnchors) {
  const auto file = *ConfigFile::parse("a: &link {size: 4 KiB}\nb: *link\n", "x.yaml");
  EXPECT_EQ(file.root()["b"]["size"].size(), 4_KiB);
}

TEST(ConfigFile, TextThatIsNotYamlSaysWhere) {
  EXPECT_EQ(parse_error("a: [1, 2\nb: 3\n"), "x.yaml:2:2: error: not valid YAML: end of sequence flow not found\n  b: 3\n   ^\n");
  EXPECT_EQ(parse_error("a: 1\n---\nb: 2\n"), "x.yaml:2:1: error: a second document starts here; one file holds one\n  ---\n  ^\n");
  EXPECT_EQ(parse_error("a:\n\tb: 1\n"), "x.yaml:2:1: error: a tab indents this line; YAML indents with blanks\n  \tb: 1\n  ^\n");
  EXPECT_NE(parse_error("a: 1\n---\nb: 2\nb: 3\n").find("a second document starts here"), std::string::npos);
  EXPECT_EQ(parse_error(""), "x.yaml: error: the file is empty\n");
  EXPECT_EQ(parse_error("# only a comment\n"), "x.yaml: error: the file is empty\n");
  EXPECT_EQ(parse_error("a: !!int 3\n"),
            "x.yaml:1:4: error: not valid YAML: tags such as 'tag:yaml.org,2002:int' are not used here\n  a: !!int 3\n     ^\n");
  EXPECT_EQ(parse_error("a: *b\n"), "x.yaml:1:4: error: not valid YAML: the referenced anchor is not defined\n  a: *b\n     ^\n");
  EXPECT_EQ(parse_error("? [a]\n: 1\n"),
            "x.yaml:1:3: error: not valid YAML: a list or a map cannot be a key; or its bracket is never closed\n  ? [a]\n    ^\n");
  EXPECT_EQ(parse_error(std::string("a: \0\n", 5)),
            "x.yaml: error: this is not a text file: byte 3 is 0x00, which is neither UTF-8 nor a printable character\n");
  EXPECT_EQ(parse_error("a: \xFF\n"), "x.yaml: error: this is not a text file: byte 3 is 0xff, which is neither UTF-8 nor a printable character\n");
}

TEST(ConfigFile, HostileTextEndsInAnErrorAtOnce) {
  const auto deep = "nested deeper than 32 levels";
  std::string dashes;
  std::string braces = "{";
  for (int i = 0; i < 1000; ++i) {
    dashes += "- ";
    braces += "a: {";
  }
  EXPECT_NE(parse_error(dashes).find(deep), std::string::npos);
  EXPECT_NE(parse_error(braces + std::string(1001, '}')).find(deep), std::string::npos);
  EXPECT_NE(parse_error(braces).find("its bracket is never closed"), std::string::npos);
  EXPECT_NE(parse_error("a:\n  " + std::string(1'000'000, '[')).find("not valid YAML"), std::string::npos);
  EXPECT_NE(parse_error("a: &x [*x]\n").find("an alias within the value that it stands for"), std::string::npos);
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const auto before = " *a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 9; ++k) bomb += "," + before;
    bomb += "]\n";
  }
  EXPECT_NE(parse_error(bomb).find("more than 4000000 values"), std::string::npos);
  EXPECT_EQ(parse_error(std::string(17 << 20, 'a')), "x.yaml: error: the file is longer than 16 MiB\n");
}

TEST(ConfigFile, AFileThatIsNotThereIsAnIoError) {
  const auto file = ConfigFile::load("/nowhere/x.yaml");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::io);
  EXPECT_EQ(file.error().message, "cannot open '/nowhere/x.yaml': No such file or directory");
  EXPECT_EQ(ConfigFile::load("/tmp").error().message, "cannot read '/tmp': Is a directory");
}

}  // namespace
}  // namespace p2plab::config_value_test
