// SPDX-License-Identifier: Apache-2.0
// Variables of CUDA, PyTorch, vLLM, SGLang and ExLlama that change how GPUs exchange data.
#include "doctor/checks/nccl_variables.h"

namespace p2plab::doctor::checks {

namespace {

void skip_check(const Patient& patient, const std::string& name, const std::string& value, Complaints& complaints) {
  if (is_on(value) && patient.peers_over_pcie())
    complaints.add(about(patient, name, Severity::risk,
                         "the engine believes the driver about peer access over PCIe without trying it: where it is wrong, data is", only_a_risk));
}

void launch_blocking(const Patient& patient, const std::string& name, const std::string& value, Complaints& complaints) {
  if (is_on(value))
    complaints.add(about(patient, name, Severity::slow,
                         "every launch waits for its end: GPUs stand still in between, and collectives of one process may hang",
                         "not known: by the number of launches"));
}

void allocator(const Patient& patient, const std::string& name, const std::string& value, Complaints& complaints) {
  if (value.find("expandable_segments:True") != std::string::npos && patient.gpus().size() > 1)
    complaints.add(about(patient, name, Severity::risk,
                         "memory of expandable segments has no legacy IPC handle: custom all-reduces of engines that need one switch off or fail",
                         only_a_risk));
}

void no_custom(const Patient& patient, const std::string& name, const std::string& value, Complaints& complaints) {
  if (is_on(value) && patient.gpus().size() > 1)
    complaints.add(about(patient, name, Severity::note, "the engine uses NCCL for small messages too, which takes longer",
                         "none by links: small messages wait, they do not fill links"));
}

void one_connection(const Patient& patient, const std::string& name, const std::string& value, Complaints& complaints) {
  if (value == "1" && patient.gpus().size() > 1)
    complaints.add(about(patient, name, Severity::risk,
                         "one queue a GPU: copies and kernels of several streams stand in line, and waits between them may hang", only_a_risk));
}

void look_at_engines(const Patient& patient, Complaints& complaints) {
  using Judge = void (*)(const Patient&, const std::string&, const std::string&, Complaints&);
  const std::vector<std::pair<std::string, Judge>> rules{{"VLLM_SKIP_P2P_CHECK", skip_check},
                                                         {"SGLANG_SKIP_P2P_CHECK", skip_check},
                                                         {"CUDA_LAUNCH_BLOCKING", launch_blocking},
                                                         {"PYTORCH_CUDA_ALLOC_CONF", allocator},
                                                         {"PYTORCH_ALLOC_CONF", allocator},
                                                         {"VLLM_DISABLE_CUSTOM_ALL_REDUCE", no_custom},
                                                         {"EXL3_TP_NO_P2P", no_custom},
                                                         {"CUDA_DEVICE_MAX_CONNECTIONS", one_connection}};
  if (!patient.examined()) {
    complaints.unread("engines.unread", "which variables of engines are set", {"the environment was not recorded"});
    return;
  }
  for (const auto& [name, judge] : rules) {
    if (const auto value = patient.variable(name)) judge(patient, name, *value, complaints);
  }
}

}  // namespace

Check engines() { return {"engines", "no variable of CUDA or an engine contradicts the machine", look_at_engines}; }

}  // namespace p2plab::doctor::checks
