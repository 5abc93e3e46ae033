#include "client/verdict.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

Error Of(ErrorCode code) { return {code, "why"}; }

// Goal: a write is never sent twice unless the first was surely not applied.
TEST(VerdictTest, AWriteIsTriedAgainOnlyIfSurelyNotApplied) {
  for (const ErrorCode code :
       {ErrorCode::kOutcomeUnknown, ErrorCode::kCorruption, ErrorCode::kIoError}) {
    for (const Verdict& verdict : {AfterLostCall(Of(code), false), AfterRefusal(Of(code), false)}) {
      EXPECT_EQ(verdict.step, NextStep::kGiveUp) << ErrorCodeName(code);
      EXPECT_FALSE(verdict.error.surely_not_applied()) << ErrorCodeName(code);
    }
  }
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kOverloaded}) {
    const Verdict verdict = AfterRefusal(Of(code), false);
    EXPECT_NE(verdict.step, NextStep::kGiveUp) << ErrorCodeName(code);
    EXPECT_TRUE(verdict.error.surely_not_applied()) << ErrorCodeName(code);
  }
  // Not a byte was sent.
  EXPECT_EQ(AfterLostCall(Of(ErrorCode::kUnavailable), false).step, NextStep::kNext);
  EXPECT_EQ(AfterRefusal(Of(ErrorCode::kOverloaded), false).step, NextStep::kPauseNext);
}

// Goal: a read changes nothing: it goes on to the next node, and no error of it says "unknown".
TEST(VerdictTest, AReadGoesOnAndIsNeverUnknown) {
  for (const ErrorCode code :
       {ErrorCode::kOutcomeUnknown, ErrorCode::kCorruption, ErrorCode::kIoError,
        ErrorCode::kUnavailable, ErrorCode::kOverloaded}) {
    for (const Verdict& verdict : {AfterLostCall(Of(code), true), AfterRefusal(Of(code), true)}) {
      EXPECT_NE(verdict.step, NextStep::kGiveUp) << ErrorCodeName(code);
      EXPECT_NE(verdict.error.kind, ErrorKind::kUnknown) << ErrorCodeName(code);
    }
  }
}

// Goal: what is wrong in the request is wrong everywhere.
TEST(VerdictTest, AWrongRequestIsNotTriedAgain) {
  for (const bool is_read : {false, true}) {
    const Verdict verdict = AfterRefusal(Of(ErrorCode::kInvalidArgument), is_read);
    EXPECT_EQ(verdict.step, NextStep::kGiveUp);
    EXPECT_EQ(verdict.error.kind, ErrorKind::kInvalid);
  }
}

}  // namespace
}  // namespace gyre
