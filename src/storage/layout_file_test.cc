#include "storage/layout_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "storage/storage_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class LayoutFileTest : public testing::Test {
 protected:
  std::string Path(const std::string& name = "layout") const { return temp_.path() + "/" + name; }
  LayoutFile File() const { return LayoutFile(temp_.path()); }
  static std::string Read(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void Write(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  void Store(std::string_view layout) {
    const Status stored = File().Store(layout);
    ASSERT_TRUE(stored.has_value()) << stored.error().message;
  }
  // kCorruption, and what the operator is told.
  std::string Damage() const {
    const auto loaded = File().Load();
    if (loaded) return *loaded ? "sound: " + **loaded : "none";
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorruption);
    return loaded.error().message;
  }

  TempFolder temp_;
};

// Goal: what was stored last comes back after a start; before that there is none.
TEST_F(LayoutFileTest, TheLastOneComesBack) {
  EXPECT_EQ(File().Load().value(), std::nullopt);
  for (const std::string& layout :
       {std::string("first"), std::string("second\0\n", 8), std::string(), Noise(300'000, 1)}) {
    Store(layout);
    EXPECT_EQ(File().Load().value(), layout);
  }
}

// Goal: the bytes of the form are those of docs/disk-format.md.
TEST_F(LayoutFileTest, GoldenBytes) {
  Store("abc");
  const std::string bytes = Read(Path());
  ASSERT_EQ(bytes.size(), 9u);
  EXPECT_EQ(bytes.substr(0, 5), std::string("\x01\x03"
                                            "abc"));
  EXPECT_EQ(Reader(bytes.substr(5)).U32(), Crc32c(bytes.substr(0, 5)));
}

// Goal: the one before is kept, and only another one: storing the same again does not oust it.
TEST_F(LayoutFileTest, TheOneBeforeIsKept) {
  Store("one");
  EXPECT_FALSE(fs::exists(Path("layout.previous")));
  const std::string one = Read(Path());
  Store("two");
  Store("two");
  EXPECT_EQ(Read(Path("layout.previous")), one);
  const std::string two = Read(Path());
  Store("three");
  EXPECT_EQ(Read(Path("layout.previous")), two);
  fs::copy_file(Path("layout.previous"), Path(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(File().Load().value(), "two");
}

// Goal: a file that was cut or got longer, anywhere, or has one bit flipped, is an error that says
// what to do; never another layout, and never none.
TEST_F(LayoutFileTest, EachCutAndFlipIsFound) {
  Store("the one before");
  Store("a layout of some bytes");
  const std::string sound = Read(Path());
  for (std::size_t size = 0; size < sound.size(); ++size) {
    Write(Path(), sound.substr(0, size));
    EXPECT_THAT(Damage(), HasSubstr("is damaged")) << size;
    Write(Path(), std::string(sound.size() - size, '\0') + sound.substr(0, size));
    EXPECT_THAT(Damage(), HasSubstr("is damaged")) << size << ", torn";
    Write(Path(), sound.substr(0, size) + std::string(sound.size() - size, '\0'));
    EXPECT_THAT(Damage(), HasSubstr("is damaged")) << size << ", torn";
  }
  for (std::size_t bit = 0; bit < sound.size() * 8; ++bit) {
    std::string flipped = sound;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    Write(Path(), flipped);
    EXPECT_THAT(Damage(), HasSubstr("is damaged")) << bit;
  }
  for (const std::string& longer : {sound + '\0', sound + sound}) {
    Write(Path(), longer);
    EXPECT_THAT(Damage(), HasSubstr("is damaged"));
  }
  EXPECT_THAT(Damage(), HasSubstr("cp " + Path("layout.previous") + " " + Path()));
  // And that helps.
  fs::copy_file(Path("layout.previous"), Path(), fs::copy_options::overwrite_existing);
  EXPECT_EQ(File().Load().value(), "the one before");
}

// Goal: a layout that is gone is not "none" while there was one before it.
TEST_F(LayoutFileTest, OneThatIsGoneIsDamage) {
  Store("one");
  Store("two");
  fs::remove(Path());
  EXPECT_THAT(Damage(), HasSubstr("it is gone"));
  EXPECT_THAT(Damage(), HasSubstr("cp "));
}

// Goal: where the one before is no help, it is not recommended.
TEST_F(LayoutFileTest, ADamagedOneBeforeIsNotRecommended) {
  Store("one");
  FlipByte(Path(), 3);
  EXPECT_THAT(Damage(), HasSubstr("join again"));
  Write(Path("layout.previous"), "rubbish");
  EXPECT_THAT(Damage(), HasSubstr("join again"));
  fs::remove(Path());
  EXPECT_THAT(Damage(), HasSubstr("join again"));
}

// Goal: a newer layout may replace a damaged one, which does not oust the sound one before.
TEST_F(LayoutFileTest, ADamagedOneIsReplacedAndNotKept) {
  Store("one");
  Store("two");
  const std::string one = Read(Path("layout.previous"));
  FlipByte(Path(), 3);
  Store("three");
  EXPECT_EQ(File().Load().value(), "three");
  EXPECT_EQ(Read(Path("layout.previous")), one);
}

// Goal: what a later version wrote is told apart from damage, and not overwritten.
TEST_F(LayoutFileTest, AFormatOfALaterVersionIsLeftAlone) {
  std::string later = "\x02later";
  std::string crc(4, '\0');
  Writer(crc.data()).U32(Crc32c(later));
  later += crc;
  Write(Path(), later);
  const auto loaded = File().Load();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(loaded.error().message, HasSubstr("later version"));
  const Status stored = File().Store("two");
  ASSERT_FALSE(stored.has_value());
  EXPECT_EQ(stored.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(Read(Path()), later);
}

// Goal: wherever a crash or a full disk stops the writing, what was there is what is loaded: a
// leftover of either step is never taken for a layout, and the next attempt succeeds.
TEST_F(LayoutFileTest, AWriteThatStopsHalfwayChangesNothing) {
  Write(Path("layout.part"), "\x01\x20half of the fir");
  EXPECT_EQ(File().Load().value(), std::nullopt);
  Store("one");
  Write(Path("layout.part"), "half");
  Write(Path("layout.previous.part"), "half");
  EXPECT_EQ(File().Load().value(), "one");
  Store("two");
  EXPECT_EQ(File().Load().value(), "two");
  for (const char* in_the_way : {"layout.part", "layout.previous.part"}) {
    fs::create_directory(Path(in_the_way));
    const Status stored = File().Store("three");
    ASSERT_FALSE(stored.has_value());
    EXPECT_EQ(stored.error().code, ErrorCode::kIoError);
    EXPECT_EQ(File().Load().value(), "two") << in_the_way;
    fs::remove(Path(in_the_way));
  }
  Store("three");
  EXPECT_EQ(File().Load().value(), "three");
}

// Goal: a folder that cannot be read is an error, not "none".
TEST_F(LayoutFileTest, AnUnreadableFileIsAnError) {
  fs::create_directory(Path());
  const auto loaded = File().Load();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kIoError);
  EXPECT_FALSE(File().Store("one").has_value());
}

}  // namespace
}  // namespace gyre
