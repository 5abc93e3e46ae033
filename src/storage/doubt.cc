#include "storage/doubt.h"

#include "base/codec.h"

namespace gyre {
namespace {

constexpr std::uint8_t kHints = 1;
constexpr std::uint8_t kOlder = 2;

}  // namespace

std::string EncodeDoubt(const std::vector<DoubtfulSpan>& spans) {
  std::size_t size = 0;
  for (const DoubtfulSpan& span : spans) {
    size += 1 + SizedBytes(span.first.size()) + SizedBytes(span.last.size());
  }
  std::string bytes(size, '\0');
  Writer writer(bytes.data());
  for (const DoubtfulSpan& span : spans) {
    writer.U8(static_cast<std::uint8_t>((span.hints ? kHints : 0) | (span.older ? kOlder : 0)));
    writer.Sized(span.first);
    writer.Sized(span.last);
  }
  return bytes;
}

Result<std::vector<DoubtfulSpan>> DecodeDoubt(std::string_view bytes) {
  std::vector<DoubtfulSpan> spans;
  Reader reader(bytes);
  while (reader.ok() && reader.remaining() > 0) {
    DoubtfulSpan span;
    const std::uint8_t kind = reader.U8();
    span.hints = (kind & kHints) != 0;
    span.older = (kind & kOlder) != 0;
    span.first = reader.Sized(bytes.size());
    span.last = reader.Sized(bytes.size());
    if (kind > (kHints | kOlder) || span.last < span.first) reader.SetFailed();
    spans.push_back(std::move(span));
  }
  if (!reader.ok()) {
    return Fail(ErrorCode::kCorruption, "the note of rows in doubt is damaged");
  }
  return spans;
}

}  // namespace gyre
