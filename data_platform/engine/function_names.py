"""What the built-in functions of Spark do with rows, by name.

Spark Connect's plans name functions; Spark's own analyzer knows the class behind each. A name that
is in none of these sets is that of a function of which nothing is known.
"""

from pyspark.sql import functions as F


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGGREGATES = _names(
    """
    any_value approx_count_distinct approx_percentile array_agg avg bit_and bit_or bit_xor
    bitmap_and_agg bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr
    count count_if count_min_sketch covar_pop covar_samp every first first_value histogram_numeric
    hll_sketch_agg hll_union_agg kll_merge_agg_bigint kll_merge_agg_double kll_merge_agg_float
    kll_sketch_agg_bigint kll_sketch_agg_double kll_sketch_agg_float kurtosis last last_value
    listagg max max_by mean median min min_by mode percentile percentile_approx regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy schema_of_variant_agg
    skewness some std stddev stddev_pop stddev_samp string_agg sum theta_intersection_agg
    theta_sketch_agg theta_union_agg try_avg try_sum var_pop var_samp variance
    """
)

OF_A_WINDOW = _names(
    """
    cume_dist dense_rank lag lead nth_value ntile percent_rank rank row_number
    """
)

GENERATORS = _names(
    """
    explode explode_outer inline inline_outer json_tuple posexplode posexplode_outer stack
    """
)

# Their value depends on chance, on a row's position or file, or on any Java method; or they put
# rows of different times into one window; or they depend on the sets that rows are grouped by.
_OF_OTHER_ROWS = _names(
    """
    grouping grouping_id input_file_block_length input_file_block_start input_file_name java_method
    monotonically_increasing_id rand randn randstr reflect session_window shuffle
    spark_partition_id try_reflect uniform window window_time
    """
)

# Their value is the time of the query (of the last without arguments).
CLOCKS = _names(
    """
    curdate current_date current_time current_timestamp localtimestamp now unix_timestamp
    """
)

# In `pyspark.sql.functions`, but no functions of the engine, or not by this name.
_OF_PYTHON_ALONE = _names(
    """
    arrow_udf arrow_udtf asc asc_nulls_first asc_nulls_last bitwise_not broadcast bucket
    call_function call_udf col column count_distinct create_map days desc desc_nulls_first
    desc_nulls_last expr hours lit listagg_distinct months negate pandas_udf product
    string_agg_distinct sum_distinct timestamp_add timestamp_diff udf udtf unwrap_udt years
    """
)

# What PySpark calls some functions in plans, operators among them.
_IN_PLANS = _names(
    """
    + - * / % & | ^ ~ ! == != < <= > >= <=> and or not in when map chr timestampadd timestampdiff
    """
)

OF_A_ROW = (
    frozenset(name for name in F.__all__ if name.islower())
    - (AGGREGATES | OF_A_WINDOW | GENERATORS | _OF_OTHER_ROWS | _OF_PYTHON_ALONE)
) | _IN_PLANS
