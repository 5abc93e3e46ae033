#include "base/base64.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gyre {
namespace {

// Goal: the examples of RFC 4648, section 10.
TEST(Base64Test, EncodesAndDecodesTheExamplesOfTheStandard) {
  const std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kExamples) {
    EXPECT_EQ(Base64Encode(bytes), text);
    std::string decoded;
    ASSERT_TRUE(Base64Decode(text, decoded)) << text;
    EXPECT_EQ(decoded, bytes);
  }
}

// Goal: one text for one value, so that a comparison of texts is one of values.
TEST(Base64Test, RefusesWhatIsNotCanonical) {
  std::string out;
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v ", "Zm-_", "====", "=", "Z=g="}) {
    EXPECT_FALSE(Base64Decode(text, out)) << text;
  }
}

// Goal: any bytes come back.
TEST(Base64Test, RoundTripsAnyBytes) {
  EXPECT_TRUE(rc::check([](const std::string& bytes) {
    std::string back;
    RC_ASSERT(Base64Decode(Base64Encode(bytes), back));
    RC_ASSERT(back == bytes);
  }));
}

}  // namespace
}  // namespace gyre
