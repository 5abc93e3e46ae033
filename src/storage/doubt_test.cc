#include "storage/doubt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

// Goal: the note of what is in doubt is read as it was written, and damage of it is seen.
TEST(DoubtTest, TheNoteIsReadAsItWasWritten) {
  const std::vector<DoubtfulSpan> spans = {{false, "a", "b"},
                                           {true, std::string("\0", 1), "z"},
                                           {false, "c", "d", true},
                                           {true, "e", "f", true}};
  const std::string bytes = EncodeDoubt(spans);
  EXPECT_EQ(bytes, std::string("\0\1a\1b\1\1\0\1z\2\1c\1d\3\1e\1f", 20));
  EXPECT_EQ(DecodeDoubt(bytes).value(), spans);
  EXPECT_THAT(DecodeDoubt("").value(), ::testing::IsEmpty());
  EXPECT_FALSE(DecodeDoubt(bytes.substr(0, bytes.size() - 1)).has_value());
  EXPECT_FALSE(DecodeDoubt(EncodeDoubt({{false, "b", "a"}})).has_value());
  EXPECT_FALSE(DecodeDoubt("\4\1a\1b").has_value());
}

}  // namespace
}  // namespace gyre
