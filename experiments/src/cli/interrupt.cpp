// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace p2plab::cli {

namespace {

sigset_t interrupts() {
  sigset_t set{};
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

// Held back in this thread before others are made, and so in all of them.
Interrupt::Interrupt() {
  const auto set = interrupts();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  descriptor_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Interrupt::~Interrupt() {
  release();
  if (descriptor_ >= 0) close(descriptor_);
}

void Interrupt::release() const {
  const auto set = interrupts();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool Interrupt::asked() {
  if (asked_ || descriptor_ < 0) return asked_;
  signalfd_siginfo information{};
  asked_ = read(descriptor_, &information, sizeof information) == static_cast<ssize_t>(sizeof information);
  if (asked_) release();
  return asked_;
}

}  // namespace p2plab::cli
