"""What Sail would compute differently from Spark, and cannot be told to compute alike."""

OTHERWISE = "or set DATA_PLATFORM_SPARK to local[*]"


class EngineDifference(ValueError):
    """An expression that would give another result on Sail than on Spark, with the way out."""

    def __init__(self, why: str):
        super().__init__(f"{why}, {OTHERWISE}")
