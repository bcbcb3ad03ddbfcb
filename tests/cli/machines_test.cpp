// SPDX-License-Identifier: Apache-2.0
// Machines as people bring them, from the command line: answers, sources, advice; and one machine from every source.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "program.h"

namespace p2plab::machines_test {
namespace {

using test::expect_keys;
using test::json_of;
using test::p2plab;

TEST(Machines, FourH200sAreOneMachineFromEverySource) {
  const auto from_facts = test::scratch("facts.yaml");
  ASSERT_EQ(p2plab("topo detect --facts tests/data/h200x4_facts.json --out '" + from_facts.string() + "'").exit, 0);
  const auto preset = json_of("plan --topology hgx-h200:gpus=4 --size '64 KiB' --profile profiles/h200.yaml --json");
  for (const std::string machine : {"tests/data/h200x4_nccl_topo.xml", "tests/data/h200x4_smi_topo_m.txt --machine gpu=h200", from_facts.c_str()}) {
    const auto bound = json_of("bound --topology " + machine + " --json");
    EXPECT_NEAR(bound["algbw_gbps"].get<double>(), 300, 1e-6) << machine;
    EXPECT_EQ(bound["fabric"], "NVLink");
    EXPECT_TRUE(bound["rests_on"].empty());
    const auto plan = json_of("plan --topology " + machine + " --size '64 KiB' --profile profiles/h200.yaml --json");
    EXPECT_EQ(plan["algorithm"], preset["algorithm"]) << machine;
    EXPECT_EQ(plan["predicted_us"], preset["predicted_us"]) << machine;
  }
}

TEST(Machines, AnAnswerComesBeforeWhatWasAssumed) {
  const std::string file = "tests/data/field/02_6gpu_pro6000_pix_node_sys.txt";
  const auto open = json_of("bound --topology " + file + " --machine 'gpu=pro 6000' --json");
  ASSERT_EQ(open["rests_on"].size(), 1U);
  EXPECT_EQ(open["rests_on"][0]["key"], "socket_link");
  const auto text = p2plab("bound --topology " + file + " --machine 'gpu=pro 6000'").out;
  EXPECT_NE(text.find("rests on          socket link of host0 - host1: 24 GB/s assumed; 6 to 256 GB/s would give"), std::string::npos) << text;
  const auto answered = json_of("bound --topology " + file + " --machine 'gpu=pro 6000' --machine socket_link=48 --json");
  EXPECT_TRUE(answered["rests_on"].empty());
  EXPECT_GT(answered["algbw_gbps"], open["algbw_gbps"]);
  EXPECT_EQ(p2plab("bound --topology " + file + " --machine gpu").exit, 2);
  EXPECT_NE(p2plab("bound --topology " + file + " --machine gpus=4").err.find("did you mean 'gpu'?"), std::string::npos);
  EXPECT_NE(p2plab("bound --topology dgx-v100 --machine gpu=t4").err.find("'dgx-v100' has Tesla V100 SXM2, not Tesla T4"), std::string::npos);
}

TEST(Machines, PlansAndRunsSayWhatTheyRestOn) {
  const std::string file = "tests/data/field/02_6gpu_pro6000_pix_node_sys.txt";
  const auto plan = json_of("plan --topology " + file + " --machine 'gpu=pro 6000' --size '16 MiB' --algorithm ring --json");
  ASSERT_EQ(plan["rests_on"].size(), 1U);
  EXPECT_EQ(plan["rests_on"][0]["key"], "socket_link");
  EXPECT_LT(plan["predicted_low_us"], plan["predicted_us"]);
  EXPECT_GT(plan["predicted_high_us"], plan["predicted_us"]);
  EXPECT_GE(plan["rests_on"][0]["predicted_us"][0], plan["rests_on"][0]["predicted_us"][1]);
  EXPECT_EQ(plan["also_assumed"][0]["key"], "peer_access");
  const auto text = p2plab("plan --topology " + file + " --machine 'gpu=pro 6000' --size '16 MiB' --algorithm ring").out;
  for (const char* words : {"with what is assumed of the machine at its ends", "  rests on          socket link of host0 - host1", "  also assumed "})
    EXPECT_NE(text.find(words), std::string::npos) << words << '\n' << text;
  const auto known = json_of("plan --topology hgx-h200:gpus=4 --size '1 MiB' --algorithm ring --json");
  EXPECT_TRUE(known["rests_on"].empty());
  EXPECT_TRUE(known["also_assumed"].empty());
  EXPECT_TRUE(known["predicted_low_us"].is_null());
  const auto config = test::scratch("config.yaml");
  const auto folder = test::scratch("out");
  std::ofstream(config) << "version: 1\ntopology: {smi: " << P2PLAB_SOURCE_DIR "/" << file
                        << ", gpu: pro 6000}\ncollectives: [all_reduce]\nalgorithms: [ring]\nsizes: [1 MiB]\n";
  const auto ran = p2plab("run '" + config.string() + "' --out '" + folder.string() + "'");
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_NE(ran.out.find("Predictions and bounds rest on what is assumed of the machine: "), std::string::npos) << ran.out;
  const auto report = nlohmann::json::parse(test::content(folder / "report.json"));
  const auto& row = report["rows"][0];
  EXPECT_LT(row["predicted_low_us"], row["predicted_us"]);
  EXPECT_LT(row["bound_low_us"], row["bound_us"]);
  EXPECT_NE(std::ranges::find(row["rests_on"], "socket link of host0 - host1"), row["rests_on"].end());
  const auto& assumed = report["provenance"]["assumed"];
  const auto link = std::ranges::find_if(assumed, [](const auto& value) { return value["key"] == "socket_link"; });
  ASSERT_NE(link, assumed.end());
  EXPECT_EQ((*link)["least_gbps"], 6);
}

TEST(Machines, TheImportedFileKeepsItsSourcesAndIsAnsweredLater) {
  const auto yaml = test::scratch("machine.yaml");
  ASSERT_EQ(p2plab("topo import --format smi tests/data/field/02_6gpu_pro6000_pix_node_sys.txt --out '" + yaml.string() + "'").exit, 0);
  const auto shown = p2plab("topo show '" + yaml.string() + "'").out;
  EXPECT_NE(shown.find("NODE"), std::string::npos);
  EXPECT_NE(shown.find("which GPU is it?"), std::string::npos) << shown;
  const auto bound = json_of("bound --topology '" + yaml.string() + "' --machine socket_link=5 --collective all_gather --json");
  EXPECT_NEAR(bound["algbw_gbps"].get<double>(), 7.5, 1e-6);  // four of six blocks over 5 GB/s
}

TEST(Machines, AConfigTakesTheSameAnswers) {
  const auto config = test::scratch("config.yaml");
  const auto with = [&](const std::string& more) {
    std::ofstream(config) << "version: 1\ntopology: {smi: " << P2PLAB_SOURCE_DIR "/tests/data/field/07_7gpu_3_4.txt" << more
                          << "}\ncollectives: [all_reduce]\nalgorithms: [ring]\nsizes: [1 MiB]\n";
    return p2plab("run '" + config.string() + "'");
  };
  EXPECT_EQ(with(", gpu: l40s, sockets: 1").exit, 0);
  const auto wrong = with(", gpu: l40z, socket: 1");
  EXPECT_EQ(wrong.exit, 1);
  EXPECT_NE(wrong.err.find("did you mean 'sockets'"), std::string::npos) << wrong.err;
}

TEST(Machines, AdviceIsOneScreen) {
  const auto text = p2plab("advise tests/data/field/02_6gpu_pro6000_pix_node_sys.txt --machine 'gpu=RTX PRO 6000' --gpus 4").out;
  for (const char* words : {"Odd\n", "Which 4 GPUs", "CUDA_VISIBLE_DEVICES=", "What to expect of all-reduce", "What to set or load",
                            "Where the numbers come from", "Questions", "what joins the sockets?"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 50);
  const auto lost = p2plab("advise tests/data/field/75_b200_one_lost.txt --machine gpu=b200 --gpus 2").out;
  EXPECT_NE(lost.find("gpu2 has no NVLink where the others have 900 GB/s; it costs 790 of 900 GB/s busbw; the other 7 alone reach 900 ("),
            std::string::npos)
      << lost;
  const auto json = json_of("advise hgx-h200:gpus=4 --json");
  expect_keys(json, {"machine", "ranks", "fabric", "odd", "gpus", "bound_busbw_gbps", "rests_on", "expect", "set", "sources"});
  EXPECT_NEAR(json["bound_busbw_gbps"].get<double>(), 450, 1e-6);
}

TEST(Machines, PlaceNamesDevicesDamageAndGroups) {
  const auto json = json_of("place --topology tests/data/field/07_7gpu_3_4.txt --gpus 4 --json");
  EXPECT_EQ(json["placements"][0]["cuda_visible_devices"], "3,4,5,6");
  const auto groups = json_of("place --topology nvlink-quads --groups tp=4,pp=2 --json");
  EXPECT_EQ(groups["groups"].size(), 2U);
  EXPECT_EQ(p2plab("place --topology nvlink-quads --groups tp=4,qq=2").exit, 2);
  EXPECT_EQ(p2plab("place --topology nvlink-quads").exit, 2);
}

TEST(Machines, GroupsThatCommunicateAtOnceArePlannedTogether) {
  const auto folder = test::scratch("groups");
  const std::string command =
      "groups --topology hgx-h100:nodes=2,gpus=2 --layout tp=2,dp=2 --call tp:all_reduce:1MiB --call dp:all_reduce:4MiB --call tp:all_gather:1MiB";
  const auto said = p2plab(command + " --out '" + folder.string() + "'");
  ASSERT_EQ(said.exit, 0) << said.err;
  EXPECT_NE(said.out.find("all calls begin at once"), std::string::npos) << said.out;
  const auto json = json_of(command + " --json");
  expect_keys(json, {"topology", "ranks", "predicted_us", "own_plans_us", "weighed", "profile", "blocks", "bound_us", "because", "calls", "links"});
  EXPECT_EQ(json["calls"][1]["groups"], nlohmann::json::parse("[[0, 2], [1, 3]]"));
  for (const auto* plan : {"tp.0", "tp.1", "dp.0", "dp.1", "tp-2.0", "tp-2.1"})
    EXPECT_EQ(p2plab("verify '" + (folder / (std::string(plan) + ".json")).string() + "'").exit, 0) << plan;
  EXPECT_EQ(p2plab("groups --topology hgx-h100:nodes=2 --layout tp=2 --call tp:all_reduce:1MiB").exit, 2);
}

// As any mistake in how the program is called: which argument, and what it may have meant.
TEST(Machines, AMistakeInACallOfGroupsIsAUsageError) {
  const auto refused = [](const std::string& call) {
    const auto said = p2plab("groups --topology hgx-h100:gpus=4 --layout tp=2,dp=2 --call " + call);
    EXPECT_EQ(said.exit, 2) << said.err;
    EXPECT_NE(said.err.find("error: --call '" + call + "': "), std::string::npos) << said.err;
    return said.err;
  };
  refused("0,1:all_reduce");
  refused("pp:all_reduce:1MiB");
  refused("tp:all_reduce:1");
  refused("0,1,1:all_reduce:1MiB");
  EXPECT_NE(refused("0,9:all_reduce:1MiB").find("rank 9 is out of range 0..3"), std::string::npos);
  EXPECT_NE(refused("tp:all_reduc:1MiB").find("did you mean 'all_reduce'?"), std::string::npos);
  EXPECT_NE(refused("tp:all_reduce:1MiB:rign").find("did you mean 'ring'?"), std::string::npos);
  EXPECT_NE(refused("tp:all_reduce:1MiB:ring:2").find("WHO:COLLECTIVE:SIZE:ALGORITHM"), std::string::npos);
}

TEST(Machines, ATensorParallelSizeIsRecommendedWithReasons) {
  const auto json = json_of("place --topology hgx-h200 --model llama-70b --batch 8 --json");
  EXPECT_NEAR(json["weights_billion"].get<double>(), 70.55, 0.01);
  EXPECT_EQ(json["gpu"], "H200 SXM");
  EXPECT_EQ(json["choices"][0]["fits"], false);  // 141 GB of weights alone
  EXPECT_EQ(json["choices"][1]["fits"], true);
  EXPECT_GT(json["tensor_parallel"], 1);
  EXPECT_EQ(json["choices"][1]["all_reduce_bytes"], 8 * 8192 * 2);
  // Half of 35 GB of weights, keys and values, and 2 GB for the engine: two GPUs of 24 GB hold that.
  const auto small = json_of("place --topology pcie-server --model llama-70b --bits 4 --memory 24 --json");
  EXPECT_EQ(small["tensor_parallel"], 2);
  EXPECT_NE(p2plab("place --topology pcie-server --model llama-70b").err.find("the GPU's memory is not known"), std::string::npos);
  EXPECT_NE(p2plab("place --topology hgx-h200 --model llama-71b").err.find("did you mean 'llama-70b'"), std::string::npos);
  const auto config = test::scratch("config.json");
  std::ofstream(config) << R"({"num_hidden_layers": 80, "hidden_size": 8192, "num_attention_heads": 64, "num_key_value_heads": 8,
                              "intermediate_size": 28672, "vocab_size": 128256})";
  EXPECT_EQ(json_of("place --topology hgx-h200 --batch 8 --json --model '" + config.string() + "'")["choices"], json["choices"]);
  std::ofstream(config) << R"({"num_hidden_layers": 80})";
  EXPECT_NE(p2plab("place --topology hgx-h200 --model '" + config.string() + "'").err.find("no number 'hidden_size'"), std::string::npos);
}

TEST(Machines, RanksKeepToThemselvesUnlessRelaysAreAskedFor) {
  const auto alone = p2plab("plan --topology dgx-v100 --ranks 0,1,2,3 --size '16 MiB'").out;
  EXPECT_EQ(alone.find("relays"), std::string::npos) << alone;
  const auto mine = json_of("bound --topology dgx-v100 --ranks 0,1,2,3 --json");
  const auto all = json_of("bound --topology dgx-v100 --ranks 0,1,2,3 --relays --json");
  EXPECT_LT(mine["algbw_gbps"], all["algbw_gbps"]);
}

// Latencies, flags and bytes together; `plan` says the same of its plan.
TEST(BoundCommand, OfASizeSaysWhatNoPlanGoesBelowByTheProfile) {
  const auto json = json_of("bound hgx-a100:nodes=4 --size 1MiB --json")["of_size"];
  EXPECT_EQ(json["profile"], "a100");
  EXPECT_GT(json["latency_bounds"]["slices"]["us"].get<double>(), 2 * json["bound_us"].get<double>());
  EXPECT_FALSE(json["latency_bounds"].contains("copies"));  // copy engines add nothing
  const auto plan = json_of("plan hgx-a100:nodes=4 --size 1MiB --algorithm hierarchical --set inside=read --json");
  EXPECT_EQ(plan["latency_bounds"], json["latency_bounds"]);
  EXPECT_EQ(plan["kind"], "inside");
  EXPECT_GT(json["latency_bounds"]["inside"]["us"], json["latency_bounds"]["slices"]["us"]);
  EXPECT_LT(plan["predicted_us"].get<double>(), 1.25 * json["latency_bounds"]["packets"]["us"].get<double>());
  EXPECT_NE(p2plab("bound hgx-a100:nodes=4 --size 1MiB").out.find(" us at least by profile a100: "), std::string::npos);
  EXPECT_EQ(p2plab("bound hgx-a100:nodes=4 --dtype float16").exit, 2);
}

}  // namespace
}  // namespace p2plab::machines_test
