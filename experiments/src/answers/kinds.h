// SPDX-License-Identifier: Apache-2.0
// One function for each kind of question: the sentences for one collective, or none where the rows hold no answer.
#pragma once

#include <string>
#include <vector>

#include "p2plab/experiment/question.h"

namespace p2plab::answers {

using Sentences = std::vector<std::string>;

/// Which algorithm is predicted fastest from which size, how near it comes to the bound, and where its lead is smaller than its interval.
Sentences fastest(const Evidence& evidence, CollectiveKind kind);
/// From which size `of` beats `over`.
Sentences crossover(const RunQuestion& question, const Evidence& evidence, CollectiveKind kind);
/// The best of ours beside NCCL: measured beside measured where both ran, else predicted beside NCCL's own formula.
Sentences against_nccl(const Evidence& evidence, CollectiveKind kind);
/// What the machine's missing parts cost: the best plan without them beside the best with them, and each algorithm.
Sentences cost(const Evidence& evidence, CollectiveKind kind);
/// This machine's best plan beside the other's.
Sentences machines(const RunQuestion& question, const Evidence& evidence, CollectiveKind kind);
/// The mean and worst error of predictions beside a device's clock.
Sentences prediction_error(const Evidence& evidence, CollectiveKind kind);

}  // namespace p2plab::answers
