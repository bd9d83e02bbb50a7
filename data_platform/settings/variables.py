"""List the settings: the variables and what each means. `environment` reads them."""

from dataclasses import dataclass

from data_platform.settings.values import PREFIX


@dataclass(frozen=True)
class Variable:
    """A setting as users write it.

    `name` is without the prefix; `default` describes the default in words, and is empty if
    `environment.DIFFERENCES` has a value for each environment.
    """

    name: str
    meaning: str
    default: str = ""

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return PREFIX + self.name


VARIABLES = (
    Variable(
        "ENV",
        "`local`, `test`, `staging` or `prod`",
        "`local`, except in a deployment (Kubernetes, Dagster+), where it must be set",
    ),
    Variable(
        "HOME",
        "The directory of all state on this machine",
        "in `local` the last demo's home below `.platform/`, else `.platform/home`; must be set "
        "elsewhere",
    ),
    Variable("LANDING", "Where files land: `s3://bucket`, `s3://bucket/prefix` or a directory"),
    Variable(
        "WAREHOUSE", "Where tables are stored: `s3://bucket`, `s3://bucket/prefix` or a directory"
    ),
    Variable(
        "SPARK",
        "What executes DataFrames: `sail`, `local[*]`, `spark://host:port`, `k8s://…`, `yarn`, "
        "`sc://host:port;token=…`, or a service that runs each step as a job: "
        "`emr-serverless:APPLICATION`, `emr-containers:VIRTUAL_CLUSTER`, `glue:JOB`",
    ),
    Variable(
        "SPARK_MEMORY",
        "The heap of Spark's driver, and the memory of each run on Sail, like `4g`",
        "1 GB for each core, at least 2 and at most 8; `1g` in `test`",
    ),
    Variable(
        "SPARK_IDLE",
        "For how many minutes an engine on this machine, `sail` or `local[*]`, stays after the "
        "last run that Dagster launched, ready for the next one; `0`: each run starts its own",
        "`10`; `0` in `test`",
    ),
    Variable(
        "SPARK_JARS",
        "The directory of the jars with which Spark reads S3",
        "`.cache/jars`, where `make jars` puts them",
    ),
    Variable(
        "RUN_LEASE",
        "On a database that several machines share: for how many seconds a run may give no sign of "
        "life before it counts as dead and can no longer publish",
        "`60`",
    ),
    Variable(
        "REMOTE_PACKAGE",
        "Where the files of `data-platform package` are, for jobs of EMR and Glue: "
        "`s3://bucket/prefix`",
        "none; required by these services",
    ),
    Variable(
        "REMOTE_MESSAGES",
        "Where jobs of EMR and Glue exchange messages with Dagster: `s3://bucket/prefix`",
        "`pipes` in the project's bucket for temporary objects, `{project}-temp-{env}`",
    ),
    Variable(
        "REMOTE_ROLE",
        "The ARN of the role under which jobs of EMR run; Glue's is in the definition of its job",
        "none; must be set for EMR",
    ),
    Variable(
        "REMOTE_RELEASE",
        "The release of EMR on EKS, with Spark 4",
        "none; must be set for EMR on EKS",
    ),
    Variable(
        "PROJECT",
        "The first part of the buckets' names, `{project}-{purpose}-{env}`: lower case, digits and "
        "hyphens, at most 43 characters",
        "`data-platform`",
    ),
    Variable(
        "AWS_REGION",
        "The region of the buckets",
        "`AWS_REGION`, `AWS_DEFAULT_REGION`, else none; what is on AWS needs one",
    ),
    Variable("AWS_ENDPOINT", "The address of an S3 store that is not AWS's own", "none: AWS's own"),
    Variable(
        "QUEUE",
        "The URL of the SQS queue that the landing bucket notifies of arrivals; `data-platform "
        "buckets apply` prints it",
        "none: the landing place is listed",
    ),
    Variable(
        "INVENTORY",
        "Where S3 writes its inventory of the landing bucket: "
        "`s3://destination/prefix/source-bucket/configuration`",
        "none: the nightly reconciliation lists the bucket",
    ),
    Variable(
        "LOG_FORMAT",
        "How the platform's processes log: `text`, or `json` for an object a line with run and "
        "trace",
        "`text`; `json` in the image",
    ),
    Variable(
        "DATABASE",
        "A server for all metadata, like `postgresql://user@host:5432/database`: the default of "
        "the next three",
        "none; must be set in `staging` and `prod`",
    ),
    Variable("CATALOG", "The Iceberg catalog: the URL of a database, or `glue`"),
    Variable("LEDGER", "The ledger of landed objects and the register of builds"),
    Variable(
        "DAGSTER_DATABASE",
        "Dagster's runs, events and schedules",
        "`DATA_PLATFORM_DATABASE`, else SQLite in the home's `dagster/`",
    ),
    Variable(
        "DAGSTER_CONFIG",
        "A file like Dagster's `dagster.yaml`, whose sections replace the platform's: where runs "
        "execute, how many at once",
        "none: runs are processes of the machine, one at a time",
    ),
    Variable(
        "ALERTS",
        "A file that says who is told of incidents, and through what",
        "none: nobody; `data-platform incidents` lists them",
    ),
    Variable(
        "DATABASE_PASSWORD",
        "The password of the users in those URLs, none of which may carry one: the password, or "
        "`secretsmanager:NAME#KEY`",
        "none",
    ),
    Variable(
        "ACTOR",
        "Who changes something by a command, for the audit trail and the pages of runs; in a "
        "pipeline its name",
        "the system's user and the host, `user@host`",
    ),
    Variable(
        "PROXY_SECRET",
        "Of the webserver behind an authenticating proxy: the password that the proxy sends with "
        "each request, at least 16 characters, or `secretsmanager:NAME#KEY`",
        "none: nobody logs in, and this machine may do everything; must be set in `staging` and "
        "`prod`, where `none` lets whoever reaches the UI do everything",
    ),
    Variable(
        "OPERATORS",
        "Groups whose members may change something in the UI, separated by commas",
        "none: nobody may, behind a proxy",
    ),
    Variable(
        "VIEWERS",
        "Groups whose members may look at the UI; `*` is everyone who logs in",
        "none but the operators",
    ),
    Variable(
        "VIRTUAL_ENVIRONMENT",
        "The environment of tables to work in, which `data-platform environment create` made; "
        "what is written stays in it until it is promoted",
        "none: production",
    ),
    Variable(
        "UNPROTECTED_HOSTS",
        "Where no proxy authenticates: names or addresses by which everyone who reaches the UI, "
        "from other machines, too, may do everything, separated by commas",
        "none: it answers its own machine, as `localhost`",
    ),
    Variable(
        "DOMAINS",
        "Packages with tables of other repositories, separated by commas",
        "none beside `data_platform.domains` and those of installed packages",
    ),
    Variable(
        "STORAGE_PRICE",
        "US dollars for a GB and month",
        "the list price of S3 Standard in the region; none for a store that is not AWS's",
    ),
)

NAMES = tuple(each.name for each in VARIABLES)
