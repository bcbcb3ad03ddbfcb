// SPDX-License-Identifier: Apache-2.0
// expect: conversion from .int. to non-scalar type .p2plab::Bytes.
#include "p2plab/base/units.h"
p2plab::Bytes wrong = 64;
