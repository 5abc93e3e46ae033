// The fields of the messages that no client waits for: the tree exchange's, the purges' and the
// greetings. For message_codec.cc only.
#pragma once

#include "base/size_counter.h"
#include "core/wire/codec_parts.h"
#include "core/wire/messages.h"

namespace gyre {

// Out: SizeCounter or Writer.
template <typename Out>
void Encode(Out& out, const TreeCompare& compare);
template <typename Out>
void Encode(Out& out, const TreeCompareReply& reply);
template <typename Out>
void Encode(Out& out, const LeafKeys& keys);
template <typename Out>
void Encode(Out& out, const LeafKeysReply& reply);
template <typename Out>
void Encode(Out& out, const RangeGet& get);
template <typename Out>
void Encode(Out& out, const RangeGetReply& reply);
template <typename Out>
void Encode(Out& out, const Ballot& ballot);
template <typename Out>
void Encode(Out& out, const BallotReply& reply);
template <typename Out>
void Encode(Out& out, const Greeting& greeting);
template <typename Out>
void Encode(Out& out, const NodeMessage& message);

void Decode(BodyReader& in, TreeCompare& compare);
void Decode(BodyReader& in, TreeCompareReply& reply);
void Decode(BodyReader& in, LeafKeys& keys);
void Decode(BodyReader& in, LeafKeysReply& reply);
void Decode(BodyReader& in, RangeGet& get);
void Decode(BodyReader& in, RangeGetReply& reply);
void Decode(BodyReader& in, Ballot& ballot);
void Decode(BodyReader& in, BallotReply& reply);
void Decode(BodyReader& in, Greeting& greeting);
void Decode(BodyReader& in, NodeMessage& message);

}  // namespace gyre
