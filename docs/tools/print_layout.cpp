// Prints the tables of docs/layout.md from the types themselves, as Markdown.
//   g++ -std=c++20 -I include docs/tools/print_layout.cpp -o print_layout
// `python3 tests/lint/docs_code.py --update` puts them into the page.
#include <cstddef>
#include <cstdio>
#include <memory>

#include <ott/ott.hpp>

namespace {

template <class P>
std::size_t offset(ott::group_block<P> const& block, void const* member) {
  return static_cast<std::size_t>(static_cast<std::byte const*>(member) -
                                  reinterpret_cast<std::byte const*>(&block));
}

void row(std::size_t at, std::size_t bytes, char const* what, char const* shape) {
  std::printf("| %zu | %zu | %s | %s |\n", at, bytes, what, shape);
}

template <class P>
void print_block(char const* name) {
  using keys = ott::key_layout<P>;
  using values = ott::value_layout<P>;
  auto const block = std::make_unique<ott::group_block<P>>();
  char text[96];
  std::printf("**%s**: %zu bytes, halves at 0 and %zu\n\n| byte | bytes | what | shape |\n", name,
              sizeof *block, offset(*block, &block->v));
  std::puts("|---|---|---|---|");
  if constexpr (keys::exact) {
    std::snprintf(text, sizeof text, "elements [token %d][channel %d]", P::group, P::head_dim);
  } else {
    std::snprintf(text, sizeof text, "%d words [chunk][lane 32][register 4]", keys::num_code_items);
  }
  row(offset(*block, block->key_codes()), keys::num_code_items * sizeof(typename keys::code_type),
      "key codes", text);
  if constexpr (keys::num_param_items > 0) {
    if (keys::by_channel) {
      std::snprintf(text, sizeof text, "[field %d][channel %d]", keys::num_fields,
                    keys::padded_channels);
    } else {
      std::snprintf(text, sizeof text, "[token slot %d][field %d]", P::group, keys::num_fields);
    }
    row(offset(*block, block->key_params()), keys::num_param_items * sizeof(typename P::param),
        "key parameters", text);
  }
  if constexpr (P::key_factor::present) {
    std::snprintf(text, sizeof text, "[token slot %d]", P::group);
    row(offset(*block, block->key_factors()), P::group * sizeof(ott::half), "key factors", text);
  }
  if constexpr (values::exact) {
    std::snprintf(text, sizeof text, "elements [token %d][channel %d]", P::group, P::head_dim);
  } else {
    std::snprintf(text, sizeof text, "%d words [chunk][lane 32][register 4]",
                  values::num_code_items);
  }
  row(offset(*block, block->value_codes()),
      values::num_code_items * sizeof(typename values::code_type), "value codes", text);
  if constexpr (values::num_param_items > 0) {
    std::snprintf(text, sizeof text, "[channel group %d][token slot %d][field %d]",
                  P::head_dim / values::width, P::group, values::num_fields);
    row(offset(*block, block->value_params()), values::num_param_items * sizeof(typename P::param),
        "value parameters", text);
  }
  std::snprintf(text, sizeof text, "bit t %% 32 of word t / 32, t < %d", P::group);
  row(offset(*block, block->v.marks), sizeof block->v.marks, "marks", text);
  std::puts("");
}

template <class P>
void print_head(char const* name) {
  using state = ott::head_state<P>;
  constexpr std::size_t window = sizeof(state::window_k), traced = sizeof(state::traced_k);
  char text[64];
  std::printf("**%s**: %zu bytes\n\n| byte | bytes | what | shape |\n|---|---|---|---|\n", name,
              sizeof(state));
  row(offsetof(state, length), 16, "length, num_groups, num_traced, tracing_done", "4 x int32");
  std::snprintf(text, sizeof text, "[P + A = %d] {uint64, int32, int32}", state::num_entries);
  row(offsetof(state, entries), sizeof(state::entries), "entries: score, pos, evicted", text);
  std::snprintf(text, sizeof text, "[R + G = %d][channel %d]", ott::window_capacity<P>,
                P::head_dim);
  row(offsetof(state, window_k), window, "window keys", text);
  row(offsetof(state, window_v), window, "window values", text);
  std::snprintf(text, sizeof text, "[P + A = %d][channel %d]", state::num_entries, P::head_dim);
  row(offsetof(state, traced_k), traced, "traced keys", text);
  row(offsetof(state, traced_v), traced, "traced values", text);
  std::puts("");
}

template <class Base, int D, int Bits>
struct shaped : Base {
  using key_quantizer = ott::affine<Bits>;
  using value_quantizer = ott::affine<Bits>;
  static constexpr int head_dim = D;
};

template <class Base, int D, int Bits>
void print_cell() {
  using P = shaped<Base, D, Bits>;
  std::printf(" %zu (%.3f) |", ott::footprint<P>::bytes_per_group(),
              ott::footprint<P>::bits_per_element_stored());
}

template <class Base, int D>
void print_sizes() {
  std::printf("| %d |", D);
  print_cell<Base, D, 1>();
  print_cell<Base, D, 2>();
  print_cell<Base, D, 3>();
  print_cell<Base, D, 4>();
  print_cell<Base, D, 8>();
  std::puts("");
}

template <class Base>
void print_all_sizes(char const* name) {
  std::printf("**%s**, G = %d\n\n| head_dim | 1 bit | 2 bits | 3 bits | 4 bits | 8 bits |\n", name,
              Base::group);
  std::puts("|---|---|---|---|---|---|");
  print_sizes<Base, 64>();
  print_sizes<Base, 80>();
  print_sizes<Base, 96>();
  print_sizes<Base, 112>();
  print_sizes<Base, 128>();
  print_sizes<Base, 256>();
  std::puts("");
}

template <class P>
void print_lengths(char const* name) {
  std::printf("| %s | %.3f |", name, ott::footprint<P>::bits_per_element());
  for (int const tokens : {1024, 4096, 8192, 32768, 131072}) {
    std::printf(" %.2f |", ott::footprint<P>::bits_per_element_of_sequence(tokens));
  }
  std::puts("");
}

template <class P>
void print_word(bool key, int word) {
  using plane = typename ott::key_layout<P>::codes::low_plane;
  using value_plane = typename ott::value_layout<P>::codes::low_plane;
  std::printf("| %s | %d |", key ? "K" : "V", word);
  for (int field = 0; field < plane::fields; ++field) {
    for (int byte = 0; byte < 4; ++byte) {
      auto const p = key ? plane::place(word, field, byte) : value_plane::place(word, field, byte);
      int const token =
          key ? ott::key_layout<P>::map::token(p) : ott::value_layout<P>::map::token(p);
      int const channel =
          key ? ott::key_layout<P>::map::channel(p) : ott::value_layout<P>::map::channel(p);
      std::printf(" (%d, %d)", token, channel);
    }
    std::printf(" |");
  }
  std::puts("");
}

}  // namespace

int main() {
  std::puts("### Group blocks\n");
  print_block<ott::paper_policy>("paper_policy");
  print_block<ott::rotated_policy>("rotated_policy");
  print_block<ott::kivi_policy>("kivi_policy");
  print_block<ott::dense_policy>("dense_policy");
  std::puts("### Where codes lie\n");
  std::puts(
      "Four words of paper_policy; a field is two bits of each byte, (token, channel) for "
      "bytes 0 to 3.\n");
  std::puts("| tensor | word | field 0 | field 1 | field 2 | field 3 |\n|---|---|---|---|---|---|");
  for (int const word : {0, 1, 2, 130}) print_word<ott::paper_policy>(true, word);
  for (int const word : {0, 1, 2, 130}) print_word<ott::paper_policy>(false, word);
  std::puts("\n### Records\n");
  print_head<ott::paper_policy>("paper_policy");
  print_head<ott::kivi_policy>("kivi_policy");
  std::puts(
      "### Sizes of a block\n\nBytes, and in brackets bits an element of the group with "
      "everything a block holds.\n");
  print_all_sizes<ott::paper_policy>("paper_policy");
  print_all_sizes<ott::rotated_policy>("rotated_policy");
  std::puts(
      "### Bits an element of a whole sequence\n\nWindow and pools counted, by the number of "
      "tokens; `head_dim` 128.\n");
  std::puts("| policy | codes, parameters, factors | 1K | 4K | 8K | 32K | 128K |");
  std::puts("|---|---|---|---|---|---|---|");
  print_lengths<ott::paper_policy>("paper_policy");
  print_lengths<ott::rotated_policy>("rotated_policy");
  print_lengths<ott::kivi_policy>("kivi_policy");
  print_lengths<ott::dense_policy>("dense_policy");
}
