// What the frozen layout promises, as constants.
#include <ott/cuda/group_shape.hpp>
#include <ott/layout/footprint.hpp>
#include <ott/layout/group_block.hpp>
#include <support/catch.hpp>
#include <support/policies.hpp>

#include <type_traits>

namespace {

template <class P>
constexpr bool is_plain_memory() {
  using block = ott::group_block<P>;
  using state = ott::head_state<P>;
  return std::is_trivially_copyable_v<block> && std::is_trivially_copyable_v<state> &&
         sizeof(block) % 128 == 0 && sizeof(state) % 128 == 0 && alignof(block) == 128 &&
         alignof(state) == 128 && sizeof(ott::key_half<P>) % 128 == 0 &&
         ott::footprint<P>::bytes_per_group() == sizeof(block) &&
         ott::footprint<P>::bits_per_element() <= ott::footprint<P>::bits_per_element_stored();
}

template <class... P>
constexpr bool all_plain(std::tuple<P...>*) {
  return (is_plain_memory<P>() && ...);
}

static_assert(all_plain(static_cast<ott_test::built_in_policies*>(nullptr)));
static_assert(all_plain(static_cast<ott_test::small_policies*>(nullptr)));

static_assert(ott::token_slot<128>(0) == 0 && ott::token_slot<128>(8) == 1);
static_assert(ott::token_slot<128>(1) == 16 && ott::token_slot<128>(127) == 127);

// Which policies the integer tensor cores serve.
static_assert(ott::has_integer_groups<ott::paper_policy>);
static_assert(ott::has_integer_groups<ott::rotated_policy>);
static_assert(ott::has_integer_groups<ott_test::symmetric_codes>);
static_assert(!ott::has_integer_groups<ott::dense_policy>);
static_assert(!ott::has_integer_groups<ott_test::exchanged>);
static_assert(!ott::has_integer_groups<ott_test::own_parts>);
static_assert(!ott::has_integer_groups<ott_test::eight_bit>, "fp32 parameters");

using shape = ott::group_shape<ott::paper_policy>;
static_assert(shape::key_scales_at == 4096 && shape::key_zeros_at == 4352 &&
              shape::key_bytes == 4608);
static_assert(shape::value_params_at == 4096 && shape::marks_at == 4608);
static_assert(ott::group_shape<ott::rotated_policy>::factors_at == 4608);

}  // namespace

TEST_CASE("static: the layout's promises") { SUCCEED(); }
