// SPDX-License-Identifier: Apache-2.0
// Carries the precompiled header (common.h); nothing of its own.
