import java.io.File;
import java.sql.DriverManager;
import liquibase.Contexts;
import liquibase.Liquibase;
import liquibase.database.jvm.JdbcConnection;
import liquibase.resource.DirectoryResourceAccessor;

/** Runs the changelog of the working directory, as `liquibase update` does. */
class RunLiquibase {
    public static void main(String[] args) throws Exception {
        var connection = new JdbcConnection(DriverManager.getConnection(System.getenv("JDBC_URL")));
        try (var liquibase = new Liquibase("grants_liquibase.sql", new DirectoryResourceAccessor(new File(".")), connection)) {
            liquibase.update(new Contexts());
        }
    }
}
