#include "core/ledger/ballot_book.h"

#include "base/codec.h"
#include "base/hash.h"
#include "core/scan_range.h"

namespace gyre {
namespace {

constexpr std::size_t kNoteBytes = 8 + 8 + 4;
constexpr std::string_view kNoteName = "ballots";

}  // namespace

Bytes EncodeNote(const BallotNumbers& numbers) {
  return Bytes::Build(kNoteBytes, [&](char* start) {
    Writer out(start);
    out.U64(numbers.promised);
    out.U64(numbers.purged);
    out.U32(Crc32c({start, kNoteBytes - 4}));
  });
}

Result<BallotNumbers> DecodeNote(const Bytes& note) {
  Reader in(note.view());
  BallotNumbers numbers{in.U64(), in.U64()};
  const std::uint32_t crc = in.U32();
  if (!in.done() || crc != Crc32c(note.view().substr(0, kNoteBytes - 4))) {
    return Fail(ErrorCode::kCorruption, "the note of a section's ballots is damaged");
  }
  return numbers;
}

RowKey BallotBook::KeyOf(SectionId section) const {
  return {kNotesKeyspace, SpanOf(section.value, section_bits_).first, Bytes(kNoteName)};
}

}  // namespace gyre
