// SPDX-License-Identifier: Apache-2.0
// What is said of command lines that cannot be understood: exit code 2, what was found, what would be right.
#include <ostream>

#include <gtest/gtest.h>

#include "program.h"

namespace p2plab::usage_test {

namespace {

using test::p2plab;

struct Mistake {
  const char* line;
  const char* said;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.line; }

class CommandLine : public testing::TestWithParam<Mistake> {};

TEST_P(CommandLine, SaysWhatIsWrongAndWhatWouldBeRight) {
  const auto ran = p2plab(GetParam().line);
  EXPECT_EQ(ran.exit, 2);
  EXPECT_NE(ran.err.find(GetParam().said), std::string::npos) << ran.err;
  EXPECT_EQ(ran.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, CommandLine,
    testing::Values(Mistake{"bench -b 1K -b 2K", "error: --minbytes is given 2 times: '1K', '2K'\n"},
                    Mistake{"bench all_reduce --topology hgx-h200",
                            "error: --topology is given 2 times, the argument without a name among them: 'all_reduce', 'hgx-h200'\n"
                            "note: a collective is named by --collective all_reduce\n"},
                    Mistake{"plan hgx-h200 all_reduce",
                            "error: unexpected argument 'all_reduce'\nnote: a collective is named by --collective all_reduce\n"},
                    Mistake{"plan hgx-h200 extra", "error: unexpected argument 'extra'\nnote: see 'p2plab plan --help'\n"},
                    Mistake{"plan hgx-h200 --ranks 0-", "error: expected ranks such as 0,1,4 or 0-7, got '0-'\n"},
                    Mistake{"plan hgx-h200 --ranks 5-3", "error: expected ranks such as 0,1,4 or 0-7, got '5-3'\n"},
                    Mistake{"plan hgx-h200 --size", "error: --size needs a value: "},
                    Mistake{"plan hgx-h200 --json=3", "error: --json takes no value\n"},
                    Mistake{"tune hgx-h200 --gpu=2", "error: --gpu takes no value\n"},
                    Mistake{"topo", "error: p2plab topo needs a command\nnote: known: presets, show, "},
                    Mistake{"run", "note: Example: p2plab run configs/8gpu_nvlink.yaml"},
                    Mistake{"plan hgx-h200 --alg ring", "error: unknown option '--alg'\nnote: did you mean '--algorithm'?\n"},
                    Mistake{"plann", "note: did you mean 'plan'?\n"}, Mistake{"plan hgx-h200 --out ''", "error: --out: the value is empty\n"}));

TEST(RankLists, HaveStretchesOfRanks) {
  const auto planned = [](const std::string& ranks) { return p2plab("plan hgx-h200 --algorithm ring --ranks " + ranks).out; };
  const auto until = [](const std::string& text) { return text.substr(0, text.find("planned in")); };
  EXPECT_EQ(until(planned("0-3,6")), until(planned("0,1,2,3,6")));
  EXPECT_NE(planned("0-3,6").find("among 5 ranks"), std::string::npos);
  EXPECT_EQ(p2plab("plan hgx-h200 --ranks 0-3,2").err, "error: rank 2 is given twice\n");
  EXPECT_EQ(p2plab("plan hgx-h200 --ranks 0-8").err, "error: rank 8 is out of range 0..7\n");
}

}  // namespace

}  // namespace p2plab::usage_test
