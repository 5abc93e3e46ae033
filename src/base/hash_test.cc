#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gyre {
namespace {

// Goal: tokens are the MD5 of RFC 1321, first digest byte highest (paper 4.2).
TEST(HashTest, Md5MatchesTheRfc) {
  EXPECT_EQ(Md5(""), (Hash128{0xd41d8cd98f00b204, 0xe9800998ecf8427e}));
  EXPECT_EQ(Md5("message digest"), (Hash128{0xf96b697d7cb7938d, 0x525a2f31aaf161d0}));
  // Around the end of the first block.
  EXPECT_EQ(Md5(std::string(55, 'a')), (Hash128{0xef1772b6dff9a122, 0x358552954ad0df65}));
  EXPECT_EQ(Md5(std::string(56, 'a')), (Hash128{0x3b0c8ac703f828b0, 0x4c6c197006d17218}));
  EXPECT_EQ(Md5(std::string(64, 'a')), (Hash128{0x014842d480b57149, 0x5a4a0363793f7367}));
}

// Goal: together or one by one, the same digests: of every length around a block's end, and however
// many there are.
TEST(HashTest, Md5OfManyIsMd5OfEach) {
  std::vector<std::string> texts;
  std::vector<std::string_view> inputs;
  for (std::size_t i = 0; i < 140; ++i) {
    std::string text;
    for (std::size_t j = 0; j < i * 7 % 70; ++j) text.push_back(static_cast<char>(i * 31 + j * 5));
    texts.push_back(std::move(text));
  }
  for (const std::string& text : texts) inputs.emplace_back(text);
  for (std::size_t count = 0; count <= inputs.size(); ++count) {
    std::vector<Hash128> best(count);
    std::vector<Hash128> portable(count);
    Md5OfMany(std::span(inputs).first(count), best.data());
    Md5OfManyPortable(std::span(inputs).first(count), portable.data());
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(best[i], Md5(inputs[i])) << i << " of " << count;
      ASSERT_EQ(portable[i], Md5(inputs[i])) << i << " of " << count;
    }
  }
}

// Goal: frames and records carry the CRC of RFC 3720 (iSCSI), on every processor.
TEST(HashTest, Crc32cMatchesTheRfc) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), Crc32c("123456789"));
}

// Goal: the forms for newer processors give what the one for any processor gives, for all lengths
// past three lanes, thrice, and with any rest after folding.
TEST(HashTest, Crc32cIsTheSameInEachForm) {
  const std::vector<Crc32cForm> forms = Crc32cForms();
  std::string text;
  for (int i = 0; i < 2500; ++i) {
    for (const std::uint32_t seed : {0u, 77u, 0xFFFFFFFFu}) {
      const std::uint32_t expected = forms.front()(text, seed);
      for (std::size_t form = 1; form < forms.size(); ++form) {
        ASSERT_EQ(forms[form](text, seed), expected) << "form " << form << ", " << i << " bytes";
      }
      ASSERT_EQ(Crc32c(text, seed), expected) << i;
    }
    text.push_back(static_cast<char>(i * 7));
  }
}

// Goal: checksums are what any XXH3 makes, whichever vectors it was compiled for.
TEST(HashTest, Xxh3MatchesItsReference) {
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(Xxh3_64(text), XXH3_64bits(text.data(), text.size())) << i;
    text.push_back(static_cast<char>(i * 11));
  }
  EXPECT_EQ(Xxh3_64(""), 0x2d06800538d394c2u);
  EXPECT_EQ(Xxh3_128(""), (Hash128{0x99aa06d3014798d8, 0x6001c324468d497f}));
}

}  // namespace
}  // namespace gyre
