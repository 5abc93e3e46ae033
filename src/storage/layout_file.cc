#include "storage/layout_file.h"

#include <cstdint>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "storage/file_ops.h"

// Form: u8 format, varint size, layout, u32 CRC32C of all before it (docs/disk-format.md).

namespace gyre {
namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kCrcBytes = 4;

std::string Encode(std::string_view layout) {
  const std::size_t size = 1 + SizedBytes(layout.size());
  std::string bytes(size + kCrcBytes, '\0');
  Writer out(bytes.data());
  out.U8(kFormat);
  out.Sized(layout);
  out.U32(Crc32c(std::string_view(bytes).substr(0, size)));
  return bytes;
}

// Errors: kCorruption, kUnsupported.
Result<std::string> Decode(std::string_view bytes) {
  if (bytes.size() < kCrcBytes) return Fail(ErrorCode::kCorruption, "it is cut off");
  const std::string_view guarded = bytes.substr(0, bytes.size() - kCrcBytes);
  if (Reader(bytes.substr(guarded.size())).U32() != Crc32c(guarded)) {
    return Fail(ErrorCode::kCorruption, "it fails its checksum");
  }
  Reader in(guarded);
  const std::uint8_t format = in.U8();
  if (in.ok() && format != kFormat) {
    return Fail(ErrorCode::kUnsupported, "it has format " + std::to_string(format));
  }
  const std::string_view layout = in.Sized(kLayoutFileBytesMax);
  if (!in.done()) return Fail(ErrorCode::kCorruption, "it is malformed");
  return std::string(layout);
}

}  // namespace

Status LayoutFile::Store(std::string_view layout) {
  GYRE_CHECK(layout.size() <= kLayoutFileBytesMax);
  const Result<std::optional<std::string>> found = ReadSmallFile(folder_ + "/" + name_);
  if (!found) return Fail(found.error());
  if (*found) {
    const Result<std::string> present = Decode(**found);
    if (!present && present.error().code == ErrorCode::kUnsupported) return Fail(Load().error());
    // By a copy: at no moment is there no `layout`. A damaged one does not oust a sound one.
    if (present && *present != layout) {
      if (Status kept = WriteFileDurably(folder_, previous_, **found); !kept) return kept;
    }
  }
  return WriteFileDurably(folder_, name_, Encode(layout));
}

Result<std::optional<std::string>> LayoutFile::Load() const {
  const std::string path = folder_ + "/" + name_;
  const Result<std::optional<std::string>> found = ReadSmallFile(path);
  if (!found) return Fail(found.error());
  if (!*found) {
    const Result<std::optional<std::string>> previous = ReadSmallFile(folder_ + "/" + previous_);
    if (!previous) return Fail(previous.error());
    if (*previous) return Damaged("it is gone");
    return std::optional<std::string>();
  }
  Result<std::string> layout = Decode(**found);
  if (layout) return std::optional<std::string>(std::move(*layout));
  if (layout.error().code == ErrorCode::kCorruption) return Damaged(layout.error().message);
  return Fail(ErrorCode::kUnsupported, "the cluster's layout in " + path +
                                           " was written by a later version of Gyre (" +
                                           layout.error().message + "): start that version");
}

// The one before is sound advice: whoever starts with it is told by the other members what has been
// decided since. Nothing is not: a member must not take itself for a new node.
tl::unexpected<Error> LayoutFile::Damaged(const std::string& problem) const {
  const std::string path = folder_ + "/" + name_;
  const std::string previous_path = folder_ + "/" + previous_;
  std::string sentence = "the cluster's layout in " + path + " is damaged: " + problem + "; ";
  const Result<std::optional<std::string>> previous = ReadSmallFile(previous_path);
  if (previous && *previous && Decode(**previous)) {
    sentence += "put the one before in its place (cp " + previous_path + " " + path +
                "), and the other members tell this node what has changed since";
  } else {
    sentence += "nor is there a sound one before it (" + previous_path +
                "): remove this node from the cluster, and let it join again with an empty data "
                "folder";
  }
  return Fail(ErrorCode::kCorruption, sentence);
}

}  // namespace gyre
