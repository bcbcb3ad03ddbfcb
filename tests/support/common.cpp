// Carries the precompiled header (common.h); nothing of its own.
