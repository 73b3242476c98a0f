import org.flywaydb.core.Flyway;

/** Runs the migrations of the working directory, as `flyway migrate` does. */
class RunFlyway {
    public static void main(String[] args) {
        Flyway.configure().dataSource(System.getenv("JDBC_URL"), null, null).locations("filesystem:.").load().migrate();
    }
}
